"""Lat-long maps: which way they face, how they are resized, and the files they come from."""

import math
import struct

import numpy as np
import pytest
import torch
from PIL import Image

from maquette.errors import ConfigError
from maquette.images.color import srgb_to_linear
from maquette.images.environment import (
    EnvironmentConfig,
    latlong_directions,
    latlong_uv,
    read_panorama,
    resize_panorama,
    sample_panorama,
    solid_angles,
    studio_radiance,
)

FRONT, LEFT_OF_FRONT, UP = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
PIXELS = np.random.default_rng(0).uniform(0.01, 50, (4, 8, 3)).astype(np.float32)


def test_the_middle_of_a_map_is_the_front_and_its_left_half_is_what_lies_to_the_left():
    found = latlong_uv(torch.tensor([FRONT, LEFT_OF_FRONT, UP]))
    torch.testing.assert_close(found, torch.tensor([[0.5, 0.5], [0.25, 0.5], [0.5, 0.0]]))


def test_texel_directions_are_where_their_texels_lie():
    column, row = (torch.arange(12) + 0.5) / 12, (torch.arange(6) + 0.5) / 6
    expected = torch.stack([column.expand(6, 12), row[:, None].expand(6, 12)], dim=-1)
    torch.testing.assert_close(latlong_uv(latlong_directions(6)), expected)


def test_solid_angles_cover_the_sphere_and_shrink_towards_the_poles():
    areas = solid_angles(16, 32)
    assert float(areas.sum() * 32) == pytest.approx(4 * math.pi, rel=1e-6)
    assert float(areas[0]) == pytest.approx((1 - math.cos(math.pi / 16)) * 2 * math.pi / 32, rel=1e-4)


def test_a_map_painted_with_its_directions_answers_with_the_direction_asked_for():
    torch.manual_seed(0)
    asked = torch.nn.functional.normalize(torch.randn(5, 7, 3), dim=-1)
    torch.testing.assert_close(sample_panorama(latlong_directions(128)[None], 3 * asked), asked, atol=0.013, rtol=0)


def test_each_direction_is_looked_up_in_its_own_map():
    maps = torch.stack([torch.full((4, 8, 1), value) for value in (1.0, 2.0, 3.0)])
    asked = torch.tensor([UP, FRONT, (0.0, 0.0, -1.0)])
    assert sample_panorama(maps, asked, torch.tensor([2, 0, 1]))[:, 0].tolist() == [
        3.0,
        1.0,
        2.0,
    ]  # the poles do not mix maps


def test_a_quarter_turn_brings_what_was_in_front_to_the_left():
    painted = latlong_directions(64)[None]
    seen = sample_panorama(painted, torch.tensor([LEFT_OF_FRONT]), rotation_deg=90.0)
    torch.testing.assert_close(seen, torch.tensor([FRONT]), atol=0.03, rtol=0)


def test_gradients_are_finite_at_the_poles_and_the_seam():
    asked = torch.tensor([UP, (0.0, 0.0, -1.0), (-1.0, 0.0, 0.0), (1e-9, 0.0, 1.0)], requires_grad=True)
    sample_panorama(latlong_directions(8)[None], asked).square().sum().backward()
    assert torch.isfinite(asked.grad).all()


def test_resizing_keeps_the_light_that_arrives():
    torch.manual_seed(0)
    panorama = torch.rand(32, 64, 3) ** 4
    small = resize_panorama(panorama, 8)
    totals = [(each * solid_angles(*each.shape[:2])[:, None, None]).sum(dim=(0, 1)) for each in (panorama, small)]
    assert small.shape == (8, 16, 3)
    torch.testing.assert_close(*totals, rtol=1e-4, atol=0)


def test_the_studio_makes_the_brightest_side_of_a_white_matte_ball_just_white():
    towards = latlong_directions(48).reshape(-1, 3)
    light = studio_radiance(towards)[:, 0] * solid_angles(48, 96).repeat_interleave(96)
    irradiance = (towards @ towards.mT).clamp(min=0) @ light
    assert float(irradiance.max()) / math.pi == pytest.approx(1.0, abs=0.01)
    assert float(irradiance.min()) / math.pi > 0.15
    assert float(towards[irradiance.argmax()] @ torch.tensor(UP)) > 0.7


def test_exposure_counts_in_stops():
    plain, brighter = (EnvironmentConfig(exposure=stops).panorama(8) for stops in (0.0, 2.0))
    torch.testing.assert_close(brighter, 4 * plain)


def write_radiance(path, pixels):
    """A flat Radiance picture: shared exponents, rows from the top."""
    mantissa, exponent = np.frexp(pixels.max(-1, keepdims=True))
    scaled = np.concatenate([pixels * (mantissa * 256 / pixels.max(-1, keepdims=True)), exponent + 128], axis=-1)
    height, width = pixels.shape[:2]
    header = f"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y {height} +X {width}\n"
    path.write_bytes(header.encode() + scaled.astype(np.uint8).tobytes())
    return path


def write_openexr(path, pixels, dtype):
    """An uncompressed scan-line OpenEXR picture."""
    height, width = pixels.shape[:2]
    kind = {"<f2": 1, "<f4": 2}[dtype]
    channels = b"".join(name + struct.pack("<xiB3xii", kind, 0, 1, 1) for name in (b"B", b"G", b"R")) + b"\0"
    window = struct.pack("<4i", 0, 0, width - 1, height - 1)
    attributes = [
        (b"channels", b"chlist", channels), (b"compression", b"compression", b"\0"),
        (b"dataWindow", b"box2i", window), (b"displayWindow", b"box2i", window),
        (b"lineOrder", b"lineOrder", b"\0"), (b"pixelAspectRatio", b"float", struct.pack("<f", 1)),
        (b"screenWindowCenter", b"v2f", struct.pack("<2f", 0, 0)),
        (b"screenWindowWidth", b"float", struct.pack("<f", 1)),
    ]  # fmt: skip
    header = struct.pack("<ii", 20000630, 2)
    header += b"".join(n + b"\0" + t + b"\0" + struct.pack("<i", len(v)) + v for n, t, v in attributes) + b"\0"
    rows = [pixels[y, :, ::-1].T.astype(dtype).tobytes() for y in range(height)]
    lines = [struct.pack("<ii", y, len(row)) + row for y, row in enumerate(rows)]
    starts = len(header) + 8 * height + len(lines[0]) * np.arange(height)
    path.write_bytes(header + starts.astype("<u8").tobytes() + b"".join(lines))
    return path


def test_radiance_files_are_read_to_the_precision_they_have(tmp_path):
    read = read_panorama(write_radiance(tmp_path / "light.hdr", PIXELS)).numpy()
    assert np.abs(read - PIXELS).max() <= PIXELS.max() / 128 and read.max() > 40
    assert (np.abs(read - PIXELS) <= PIXELS.max(-1, keepdims=True) / 128).all()


@pytest.mark.parametrize(("dtype", "precision"), [("<f4", 0.0), ("<f2", 1e-3)])
def test_openexr_files_are_read_beyond_white_whatever_their_samples(tmp_path, dtype, precision):
    read = read_panorama(write_openexr(tmp_path / "light.exr", PIXELS, dtype)).numpy()
    np.testing.assert_allclose(read, PIXELS, rtol=precision)


def test_a_file_name_is_never_a_sequence(tmp_path):
    assert read_panorama(write_radiance(tmp_path / "light%d.hdr", PIXELS)).shape == (4, 8, 3)


def test_eight_bit_pictures_are_decoded_to_light(tmp_path):
    Image.new("RGB", (4, 2), (255, 128, 0)).save(tmp_path / "light.png")
    expected = srgb_to_linear(torch.tensor([1.0, 128 / 255, 0.0]))
    torch.testing.assert_close(read_panorama(tmp_path / "light.png")[1, 3], expected)


def test_negative_light_is_none(tmp_path):
    assert float(read_panorama(write_openexr(tmp_path / "light.exr", PIXELS - 25, "<f4")).min()) == 0


@pytest.mark.parametrize("name", ["broken.hdr", "broken.exr", "broken.png"])
def test_a_file_that_is_no_picture_is_named_with_the_key(tmp_path, name):
    (tmp_path / name).write_text("nothing to see")
    with pytest.raises(ConfigError, match=rf"environment: cannot read the picture .*{name}"):
        EnvironmentConfig(environment=str(tmp_path / name)).panorama()


def test_a_square_probe_is_refused_with_the_shape_that_is_needed(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "probe.png")
    with pytest.raises(ConfigError, match=r"8 x 8 pixels; .*twice as wide as high"):
        read_panorama(tmp_path / "probe.png")


def test_light_that_is_not_finite_is_refused(tmp_path):
    pixels = PIXELS.copy()
    pixels[0, 0, 0] = np.inf
    with pytest.raises(ConfigError, match="infinite"):
        read_panorama(write_openexr(tmp_path / "light.exr", pixels, "<f4"))


@pytest.mark.parametrize(("name", "said"), [("sunset", "'studio' or the path"), ("sunset.hdr", "no file 'sunset.hdr'")])
def test_a_wrong_name_is_refused_before_anything_is_built(name, said):
    with pytest.raises(ValueError, match=said):
        EnvironmentConfig(environment=name)
