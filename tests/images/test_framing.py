"""An object is cut out with room around it, whatever lies beyond the picture's edge."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from maquette.errors import ConfigError, MissingDependency
from maquette.images.framing import (
    SquareCrop,
    crop_and_resize,
    crop_and_resize_values,
    read_object_picture,
    square_around_object,
)
from maquette.images.picture import Picture


def a_square(rows: slice, columns: slice, height: int = 8, width: int = 12) -> Picture:
    """Red where it is opaque, green elsewhere."""
    rgba = torch.tensor([0.0, 1.0, 0.0, 0.0]).expand(1, height, width, 4).clone()
    rgba[:, rows, columns] = torch.tensor([1.0, 0.0, 0.0, 1.0])
    return Picture.from_rgba(rgba)


def test_the_square_is_about_the_object_and_leaves_it_its_share():
    picture = a_square(slice(1, 3), slice(4, 8))
    assert square_around_object(picture, 0.5) == SquareCrop((2.0, 6.0), 8.0)
    assert square_around_object(picture, 0.0) == SquareCrop((4.0, 6.0), 12.0)  # about the whole picture


def test_a_part_is_cut_out_as_it_is():
    rgba = torch.rand(1, 6, 6, 4, generator=torch.Generator().manual_seed(0))
    part = crop_and_resize(Picture.from_rgba(rgba), SquareCrop((3.0, 2.0), 4.0), 4)
    torch.testing.assert_close(part.rgba, rgba[:, 1:5, 0:4])


def test_beyond_the_edge_everything_is_transparent():
    part = crop_and_resize(
        a_square(slice(0, 2), slice(0, 2)), SquareCrop((0.0, 0.0), 8.0), 4
    )  # three quarters are outside
    assert part.alpha[0, ..., 0].tolist() == [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    assert torch.equal(part.color[part.alpha[..., 0] > 0], torch.tensor([[1.0, 0.0, 0.0]]))


def test_a_square_larger_than_the_picture_is_no_larger_in_memory():
    part = crop_and_resize(a_square(slice(3, 5), slice(5, 7)), SquareCrop((4.0, 6.0), 1e6), 4)
    assert part.size == (4, 4) and float(part.alpha.sum()) == pytest.approx(4 / (1e6 / 4) ** 2, rel=1e-3)


def test_values_of_any_range_are_averaged_over_the_object_alone():
    picture = a_square(slice(2, 6), slice(4, 8))
    depth = torch.where(picture.alpha > 0, -40.0, 1000.0)
    depth[:, 2:4] *= torch.where(picture.alpha[:, 2:4] > 0, 2, 1)  # -80 in the upper half
    framed = crop_and_resize_values(depth, picture.alpha, square_around_object(picture, 1.0), 2)
    assert framed[0, ..., 0].tolist() == [[-80, -80], [-40, -40]]
    assert crop_and_resize_values(depth, picture.alpha, square_around_object(picture, 0.5), 1).item() == pytest.approx(
        -60
    )


def save(path: Path, rgba: np.ndarray) -> Path:
    Image.fromarray(rgba.astype(np.uint8, copy=False)).save(path, compress_level=1)
    return path


def test_a_large_picture_is_cut_to_its_object_and_reduced_without_moving_it(tmp_path):
    rgba = np.zeros((3000, 4000, 4), np.uint8)
    rgba[1000:1600, 3001:3901] = (255, 0, 0, 255)
    rgba[..., 1] = np.where(rgba[..., 3] > 0, 0, 255)  # green, and transparent
    thing = read_object_picture(save(tmp_path / "small.png", rgba), None)
    assert thing.picture.size == (600, 900) and thing.scale == 1 and thing.square(0.5) == ((1300.0, 3451.0), 1800.0)
    rgba[:, 3900:] = 0
    rgba[100:2900, 500:3900] = (255, 0, 0, 255)
    thing = read_object_picture(save(tmp_path / "large.png", rgba), None)
    assert thing.picture.size == (1400, 1700) and thing.scale == 2
    assert thing.square(1) == ((1500.0, 2200.0), 3400.0) and thing.square(0) == ((1500.0, 2000.0), 4000.0)
    crop = thing.crop(thing.square(1), 34)
    assert crop.alpha[0, :, 5, 0].tolist() == pytest.approx([0] * 3 + [1] * 28 + [0] * 3)
    assert torch.equal(crop.color[crop.alpha[..., 0] > 0], torch.tensor([1.0, 0, 0]).expand(28 * 34, 3))


def test_a_map_of_a_large_picture_is_cut_alike(tmp_path):
    rgba = np.zeros((2500, 5000, 4), np.uint8)
    rgba[400:2000, 800:4800] = 255
    ramp = np.tile(np.linspace(0, 65535, 5000), (2500, 1)).astype(np.uint16)
    Image.fromarray(ramp).save(tmp_path / "depth.png")
    thing = read_object_picture(save(tmp_path / "a.png", rgba), None)
    values = thing.read_map(tmp_path / "depth.png")
    assert values.shape == (1, *thing.picture.size, 3)
    assert float(values[0, 0, 0, 0]) == pytest.approx(800.5 / 5000, abs=1e-3)
    with pytest.raises(ConfigError, match=r"this map is 10 x 10 pixels and its picture 5000 x 2500"):
        Image.new("L", (10, 10)).save(tmp_path / "depth.png")
        thing.read_map(tmp_path / "depth.png")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is Linux's to tell")
def test_24_megapixels_are_read_in_less_than_1_gigabyte(tmp_path):
    picture = Image.new("RGBA", (6000, 4000))
    picture.paste((200, 30, 30, 255), (600, 400, 5500, 3900))
    picture.save(tmp_path / "large.png", compress_level=1)
    picture.convert("RGB").save(tmp_path / "large.jpg")
    code = (
        "from pathlib import Path; from maquette.images.framing import read_object_picture\n"
        f"for path in sorted(Path({str(tmp_path)!r}).glob('large.*')):\n"
        "    thing = read_object_picture(path, None); thing.crop(thing.square(0.7), 64)\n"
        "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 1e6  # kilobytes


def emptied(picture: Picture) -> Picture:
    """A matting that takes nothing for the object."""
    return Picture(picture.color, torch.full_like(picture.alpha, 0.03))


@pytest.mark.parametrize("level", [254, 253, 128, 200])
def test_a_nearly_opaque_picture_counts_as_one_without_alpha(tmp_path, level):
    rgba = np.full((40, 40, 4), 255)
    rgba[..., 3] = level
    rgba[3, 3, 3] = 0  # one pixel
    with pytest.raises(ConfigError, match="nothing in this picture is opaque"):  # what this matting leaves
        read_object_picture(save(tmp_path / "a.png", rgba), emptied)
    assert read_object_picture(tmp_path / "a.png", None).picture.size == (40, 40)
    rgba[:4, :4, 3] = 0  # a hundredth of it: an object that fills its picture
    assert float(read_object_picture(save(tmp_path / "a.png", rgba), emptied).picture.alpha.max()) == pytest.approx(
        level / 255
    )


def test_a_matting_that_fails_names_the_picture(tmp_path):
    path = save(tmp_path / "a.png", np.full((40, 40, 3), 90))
    for problem, message in (
        (
            ConfigError("no object", hint="look again"),
            r"^data\.matting: no object \(.*a\.png\); look again; or save the picture",
        ),
        (MissingDependency("no package"), r"a\.png: no package; or save the picture"),
    ):

        def fail(picture, problem=problem):
            raise problem

        with pytest.raises(type(problem), match=message):
            read_object_picture(path, fail)


def test_an_object_of_a_few_pixels_is_refused(tmp_path):
    rgba = np.zeros((40, 40, 4))
    rgba[9:11, 7:10] = 255
    with pytest.raises(ConfigError, match=r"what is opaque of it, is 3 pixels wide and high at most .*a\.png"):
        read_object_picture(save(tmp_path / "a.png", rgba), None)


def test_a_mask_is_white_where_the_object_is(tmp_path):
    path = save(tmp_path / "photo.png", np.full((20, 30, 3), 90))
    white = np.zeros((20, 30))
    white[5:10, 10:20] = 255
    mask = save(tmp_path / "mask.png", white)
    thing = read_object_picture(path, None, mask)
    assert float(thing.picture.alpha.sum()) == 50 and thing.square(1) == ((7.5, 15.0), 10.0)
    cutout = np.zeros((20, 30, 4))
    cutout[..., 3] = white  # black, and its shape in alpha
    thing = read_object_picture(path, None, save(tmp_path / "cutout.png", cutout))
    assert float(thing.picture.alpha.sum()) == 50
    for wrong, message in (
        (np.zeros((20, 30)), "this mask of .* is black all over"),
        (np.full((20, 30), 255), "this mask of .* is white all over"),
        (np.zeros((30, 20)), "this mask is 20 x 30 pixels and its picture 30 x 20"),
    ):
        with pytest.raises(ConfigError, match=message):
            read_object_picture(path, None, save(mask, wrong))


def test_a_turned_picture_takes_an_upright_mask(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.full((30, 20, 3), 90, np.uint8)).save(tmp_path / "photo.jpg", exif=exif)
    white = np.zeros((20, 30))
    white[:5] = 255
    thing = read_object_picture(tmp_path / "photo.jpg", None, save(tmp_path / "mask.png", white))
    assert thing.whole == (20, 30) and float(thing.picture.alpha[0, :5].mean()) == 1
