"""Whatever a file says of its picture reaches the pixels, or is named."""

from __future__ import annotations

import io
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from maquette.errors import ConfigError, MissingDependency
from maquette.images.decoding import decode_picture
from maquette.images.reading import image_size, inspect_picture, read_picture, rgba_of

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
TURNED = {
    2: lambda seen: seen[:, ::-1],
    3: lambda seen: seen[::-1, ::-1],
    4: lambda seen: seen[::-1],
    5: lambda seen: seen.transpose(1, 0, 2),
    6: lambda seen: np.rot90(seen, 1),
    7: lambda seen: seen[::-1, ::-1].transpose(1, 0, 2),
    8: lambda seen: np.rot90(seen, -1),
}
"""EXIF orientation -> how the pixels of an upright picture are stored under it."""


def read_rgba(source: Path | bytes, name: str = "", *, upright: bool = True) -> np.ndarray:
    """The bytes [H, W, 4] of a picture as it is decoded."""
    return np.asarray(rgba_of(decode_picture(source, name, upright=upright).image))


def corners() -> np.ndarray:
    """40 x 60, red, green, blue and white in its corners."""
    seen = np.zeros((40, 60, 3), np.uint8)
    seen[:20, :30], seen[:20, 30:], seen[20:, :30], seen[20:, 30:] = RED, GREEN, BLUE, WHITE
    return seen


def exif(orientation: int) -> Image.Exif:
    data = Image.Exif()
    data[0x0112] = orientation
    return data


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "avif"])
def test_pictures_are_turned_upright(tmp_path, orientation, suffix):
    stored = np.ascontiguousarray(TURNED[orientation](corners()))
    path = tmp_path / f"turned.{suffix}"
    Image.fromarray(stored).save(path, exif=exif(orientation), **({"quality": 95} if suffix != "png" else {}))
    color = read_picture(path).color[0]
    assert color.shape == (40, 60, 3)
    places = ((5, 5), (5, -5), (-5, 5), (-5, -5))
    assert [color[place].round().tolist() for place in places] == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]]
    assert inspect_picture(path).facts["width"] == 60 and image_size(path, "", path, upright=True) == (60, 40)


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("mode", ["L", "RGBA"])
def test_a_turned_tiff_of_plain_rows_is_upright_in_memory_and_from_a_file(tmp_path, orientation, mode):
    levels = np.random.default_rng(0).integers(0, 256, (4, 8), np.uint8)
    stored = np.ascontiguousarray(TURNED[orientation](np.dstack([levels] * 3)))
    path = tmp_path / "a.tif"
    Image.fromarray(stored).convert(mode).save(path, exif=exif(orientation))
    for source in (path, path.read_bytes()):
        assert np.array_equal(read_rgba(source)[..., 0], levels)


def test_damaged_exif_data_turn_nothing(tmp_path):
    Image.fromarray(corners()).save(tmp_path / "odd.jpg", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12")
    assert read_picture(tmp_path / "odd.jpg").size == (40, 60)


def test_textures_can_be_read_as_stored_and_from_bytes():
    stream = io.BytesIO()
    Image.fromarray(corners()).save(stream, "PNG", exif=exif(6))
    assert read_rgba(stream.getvalue(), "cup.glb").shape == (60, 40, 4)
    assert read_rgba(stream.getvalue(), "cup.glb", upright=False).shape == (40, 60, 4)


def test_grey_of_16_bits_keeps_its_levels(tmp_path):
    levels = np.array([[0, 9252, 32768, 65535]], np.uint16)
    Image.fromarray(levels).save(tmp_path / "deep.png")
    color = read_picture(tmp_path / "deep.png").color[0, 0]
    assert color[:, 0].tolist() == pytest.approx((levels[0] / 65535).tolist(), abs=1e-6)
    assert read_rgba(tmp_path / "deep.png")[0, :, 1].tolist() == [0, 36, 128, 255]


def png(mode: int, bits: int, rows: bytes, width: int, height: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG by its specification; mode 0: grey, 2: RGB, 4: grey and alpha."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, bits, mode, 0, 0, 0)
    body = b"".join(chunk(name, data) for name, data in chunks)
    pixels = chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + body + pixels


def test_colors_and_alpha_of_16_bits():
    rgb = png(2, 16, b"\0" + struct.pack(">3H", 0x8080, 0x4040, 0), 1, 1)
    assert read_rgba(rgb).flatten().tolist() == [128, 64, 0, 255]
    grey = png(4, 16, b"\0" + struct.pack(">2H", 0x8080, 0x4040), 1, 1)
    assert read_rgba(grey).flatten().tolist() == [128, 128, 128, 64]


def test_a_transparent_level_of_grey_is_transparent():
    data = png(0, 16, b"\0" + struct.pack(">2H", 257, 514), 2, 1, (b"tRNS", struct.pack(">H", 514)))
    assert read_rgba(data)[0].tolist() == [[1, 1, 1, 255], [2, 2, 2, 0]]


def test_palettes_keep_their_transparency(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putdata([0, 1])
    image.save(tmp_path / "palette.png", transparency=bytes([255, 51]))
    assert read_rgba(tmp_path / "palette.png")[0].tolist() == [[255, 0, 0, 255], [0, 0, 255, 51]]
    image.save(tmp_path / "palette.gif", transparency=1)
    assert read_rgba(tmp_path / "palette.gif")[0, :, 3].tolist() == [255, 0]


@pytest.mark.parametrize(
    ("mode", "value", "rgba"),
    [("LA", (100, 50), (100, 100, 100, 50)), ("1", 1, (255, 255, 255, 255)), ("L", 7, (7, 7, 7, 255))],
)
def test_modes_of_png(tmp_path, mode, value, rgba):
    Image.new(mode, (2, 2), value).save(tmp_path / "a.png")
    assert read_rgba(tmp_path / "a.png")[0, 0].tolist() == list(rgba)
    assert inspect_picture(tmp_path / "a.png").facts["mode"] == mode


def test_cmyk_becomes_rgb(tmp_path):
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "print.jpg", quality=100)
    assert read_rgba(tmp_path / "print.jpg")[4, 4].tolist() == pytest.approx([255, 0, 0, 255], abs=3)
    Image.new("LAB", (8, 8), (137, 208 - 128 + 0, 195 - 128)).save(tmp_path / "lab.tif")
    assert decode_picture(tmp_path / "lab.tif").image.mode == "RGB"


def profile_with_swapped_primaries() -> bytes:
    """The sRGB profile whose red and blue primaries are exchanged: what is stored as red is seen as blue."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack(">I", data[128:132])[0]
    places = {bytes(data[i : i + 4]): i for i in range(132, 132 + 12 * count, 12)}
    red, blue = places[b"rXYZ"], places[b"bXYZ"]
    data[red + 4 : red + 12], data[blue + 4 : blue + 12] = data[blue + 4 : blue + 12], data[red + 4 : red + 12]
    at = struct.unpack(">I", data[places[b"desc"] + 4 : places[b"desc"] + 8])[0]
    size = struct.unpack(">I", data[places[b"desc"] + 8 : places[b"desc"] + 12])[0]
    text = bytes(data[at : at + size]).replace("sRGB".encode("utf-16-be"), "BGRs".encode("utf-16-be"))
    data[at : at + size] = text
    return bytes(data)


def test_a_color_profile_is_applied_and_alpha_kept(tmp_path):
    icc = profile_with_swapped_primaries()
    Image.new("RGBA", (2, 2), (255, 0, 0, 77)).save(tmp_path / "a.png", icc_profile=icc)
    assert read_rgba(tmp_path / "a.png")[0, 0].tolist() == pytest.approx([0, 0, 255, 77], abs=1)
    account = inspect_picture(tmp_path / "a.png")
    assert "color profile" in account.used and "BGRs" in account.facts["color_profile"]


def test_an_srgb_profile_changes_nothing(tmp_path):
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.new("RGB", (2, 2), (255, 51, 3)).save(tmp_path / "a.png", icc_profile=icc)
    assert read_rgba(tmp_path / "a.png")[0, 0].tolist() == [255, 51, 3, 255]


def test_a_damaged_profile_or_one_for_other_channels_is_a_warning(tmp_path):
    Image.new("RGB", (2, 2), RED).save(tmp_path / "a.png", icc_profile=b"not a profile")
    account = inspect_picture(tmp_path / "a.png")
    assert "profile is damaged" in account.warnings[0] and account.value.color[0, 0, 0].tolist() == [1, 0, 0]
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    Image.new("RGB", (2, 2), RED).save(tmp_path / "b.png", icc_profile=icc)
    assert "for LAB and not for RGB" in inspect_picture(tmp_path / "b.png").warnings[0].replace("Lab", "LAB")


def test_a_linear_png_is_brought_to_srgb():
    data = png(2, 8, b"\0" + bytes([0, 55, 255]), 1, 1, (b"gAMA", struct.pack(">I", 100000)))
    assert read_rgba(data).flatten().tolist() == [0, 128, 255, 255]  # sRGB of 55 / 255 is 0.502
    ordinary = png(2, 8, b"\0" + bytes([0, 55, 255]), 1, 1, (b"gAMA", struct.pack(">I", 45455)))
    assert read_rgba(ordinary).flatten().tolist() == [0, 55, 255, 255]


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_of_an_animation_the_first_frame_is_read_and_said(tmp_path, suffix, caplog):
    frames = [Image.new("RGB", (8, 8), color) for color in (RED, GREEN, BLUE)]
    frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:], duration=50, **(
        {"lossless": True} if suffix == "webp" else {}
    ))  # fmt: skip
    assert read_picture(tmp_path / f"a.{suffix}").color[0, 0, 0].tolist() == [1, 0, 0]
    assert f"a.{suffix}: an animation: the first of its 3 frames is read" in caplog.text


def test_a_bomb_is_refused_by_its_pixels(tmp_path):
    (tmp_path / "bomb.png").write_bytes(png(0, 8, b"\0" * 100, 13500, 13500))
    with pytest.raises(ConfigError, match=r"too large: its size \(182250000 pixels\).*bomb\.png") as error:
        read_picture(tmp_path / "bomb.png")
    assert "\n" not in str(error.value)
    with pytest.raises(ConfigError, match="182250000 pixels"):
        image_size(tmp_path / "bomb.png", "frames.0.file", tmp_path / "cameras.json")


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "webp", "tif", "bmp", "avif"])
def test_a_picture_cut_off_anywhere_is_one_line(tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    whole, part = tmp_path / f"whole.{suffix}", tmp_path / f"part.{suffix}"
    Image.fromarray(noise).save(whole)
    data = whole.read_bytes()
    for length in (0, 1, 9, 40, 200, len(data) // 2):
        part.write_bytes(data[:length])
        with pytest.raises(ConfigError, match=rf"part\.{suffix}") as error:
            read_picture(part)
        assert "\n" not in str(error.value)


def test_programs_are_never_started_for_a_picture(tmp_path):
    (tmp_path / "page.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\nshowpage\n")
    with pytest.raises(ConfigError, match="cannot read this as a picture"):
        read_picture(tmp_path / "page.png")


def test_heic_names_the_package_that_reads_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (tmp_path / "phone.heic").write_bytes(struct.pack(">I", 24) + b"ftypheic\0\0\0\0mif1heic" + b"\0" * 64)
    with pytest.raises(MissingDependency, match=r"phone\.heic is a HEIC picture.*needs pillow-heif: run `pip install "):
        read_picture(tmp_path / "phone.heic")


def test_heic_is_read_upright(tmp_path):
    heif = pytest.importorskip("pillow_heif")
    heif.from_pillow(Image.fromarray(corners())).save(tmp_path / "a.heic", quality=90)
    color = read_picture(tmp_path / "a.heic").color[0]
    assert color.shape == (40, 60, 3) and color[5, 5].round().tolist() == [1, 0, 0]
    stored = Image.fromarray(np.ascontiguousarray(TURNED[6](corners())))
    heif.from_pillow(stored).save(tmp_path / "b.heic", quality=90, exif=exif(6).tobytes())
    assert read_picture(tmp_path / "b.heic").size in ((40, 60), (60, 40))


def test_the_account_of_a_picture(tmp_path):
    rgba = np.zeros((30, 40, 4), np.uint8)
    rgba[10:20, 5:25] = (255, 0, 0, 255)
    Image.fromarray(rgba).save(tmp_path / "a.png")
    account = inspect_picture(tmp_path / "a.png").account()
    assert account["kind"] == "picture" and account["format"] == "png" and account["mode"] == "RGBA"
    assert (account["width"], account["height"], account["object_box"]) == (40, 30, [5, 10, 25, 20])
    assert account["alpha_coverage"] == pytest.approx(200 / 1200)
    Image.fromarray(rgba[..., :3]).save(tmp_path / "b.png")
    assert inspect_picture(tmp_path / "b.png").facts["object_box"] is None
    large = inspect_picture(Path(tmp_path / "a.png"), largest=20)
    assert large.value.size == (15, 20) and large.facts["width"] == 40


def test_the_account_says_what_image_to_3d_will_make_of_alpha(tmp_path):
    rgba = np.full((20, 20, 4), 254, np.uint8)
    Image.fromarray(rgba).save(tmp_path / "a.png")
    assert "counts as one without alpha" in inspect_picture(tmp_path / "a.png").warnings[0]
    rgba[..., 3] = 90
    Image.fromarray(rgba).save(tmp_path / "a.png")
    assert inspect_picture(tmp_path / "a.png").warnings == ("nothing of it is opaque",)


def test_a_damaged_tiff_has_the_size_that_is_decoded():
    data = (  # the offset of its strips' lengths is beyond its end
        "49492a0008000000090000010400010000000c000000010104000100000009000000030103000100000001000000060103000100"
        "00000100000011010400010000007a0000001201030001000000080000001601040001000000090000001701040001006b048e23"
        "0000120000001c01030001000000010000003ff03ff03ff03ff03ff03ff03ff03ff00000"
    )
    decoded = decode_picture(bytes.fromhex(data))
    assert decoded.size == decoded.image.size


def test_a_turned_tiff_with_a_damaged_further_frame_has_the_size_that_is_decoded():
    stream = io.BytesIO()
    Image.new("RGB", (8, 16)).save(stream, "TIFF", exif=exif(8))
    data = bytearray(stream.getvalue())
    (first,) = struct.unpack_from("<I", data, 4)
    (entries,) = struct.unpack_from("<H", data, first)
    struct.pack_into("<I", data, first + 2 + 12 * entries, len(data) - 8)  # the next frame lies among the pixels
    decoded = decode_picture(bytes(data))
    assert decoded.size == decoded.image.size == (16, 8)
