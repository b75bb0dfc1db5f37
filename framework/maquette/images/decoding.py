"""Decoding of picture files: upright, in sRGB, with a limit on what is decoded.

Everything that a file says of its picture is honoured here or named: orientation, color profile, gamma, transparency,
further frames.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import numpy as np
import torch
from PIL import Image, ImageCms, UnidentifiedImageError
from PIL.ExifTags import Base as Tag
from PIL.Image import Transpose

from maquette.errors import ConfigError, MissingDependency
from maquette.files import display_path
from maquette.images.color import linear_to_srgb

FORMATS = (
    "PNG", "JPEG", "MPO", "WEBP", "GIF", "TIFF", "BMP", "DIB", "PPM", "TGA", "ICO", "JPEG2000", "AVIF", "PSD", "QOI",
    "SGI", "PCX", "DDS",
)  # fmt: skip
"""Pillow's names of the formats that are read; its others run programs, or hold no photographs."""
ANIMATIONS = ("GIF", "WEBP", "PNG", "AVIF")
HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
SIXTEEN_BIT_MODES = ("I;16", "I;16L", "I;16B", "I;16N", "I")
SRGB_GAMMA, GAMMA_TOLERANCE = 1 / 2.2, 0.02  # of PNG's gAMA chunk, where sRGB is written as 0.45455
TURNS = {
    2: Transpose.FLIP_LEFT_RIGHT, 3: Transpose.ROTATE_180, 4: Transpose.FLIP_TOP_BOTTOM, 5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270, 7: Transpose.TRANSVERSE, 8: Transpose.ROTATE_90,
}  # fmt: skip
"""EXIF orientation -> what brings a picture upright; those from 5 up swap width and height."""


@dataclass(frozen=True)
class Decoded:
    """A picture as it is seen, with an account of the file.

    Attributes:
        image: upright, in sRGB; mode RGB or RGBA of 8 bits, or F: grey of 16 bits, scaled to [0, 255].
        size: width and height of the whole file as seen; those of `image` times `scale`.
        scale: what the decoder reduced it by.
        format, mode: as the file has them, such as "JPEG" and "CMYK".
        color_profile: description of the embedded profile; "" without one.
        used, ignored, warnings: as in `Loaded`.
    """

    image: Image.Image
    size: tuple[int, int]
    format: str
    mode: str
    scale: int = 1
    color_profile: str = ""
    used: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def noting(self, *, used: str = "", ignored: str = "", warning: str = "") -> Decoded:
        """The same with one more remark."""
        return replace(
            self, used=(*self.used, *filter(None, [used])), ignored=(*self.ignored, *filter(None, [ignored])),
            warnings=(*self.warnings, *filter(None, [warning])),
        )  # fmt: skip


def decode_picture(
    source: Path | bytes, name: str = "", *, upright: bool = True, largest: int | None = None
) -> Decoded:
    """Decode a picture file.

    Args:
        source: the file, or its content.
        name: what messages call it; defaults to the path.
        upright: turn it as its EXIF data say; False leaves it as stored.
        largest: a decoder that can reduce (JPEG's) may do so, as long as the longer side keeps this many pixels.

    Raises:
        ConfigError: it is no picture, damaged, too large, or of a kind that is not read.
        MissingDependency: it is HEIC, and pillow-heif is not installed.
    """
    name = name or (display_path(source) if isinstance(source, Path) else "a picture")
    with open_picture(source, name) as image:
        decoded = Decoded(image, image.size, image.format or "", image.mode)
        decoded = _note_frames(decoded)
        try:
            if largest is not None:
                decoded = _draft(decoded, largest)
            image.load()
            decoded = _to_srgb(_turn(decoded, upright), name)
            if decoded.image is image:
                decoded = replace(decoded, image=image.copy())
            # Pillow turns a damaged TIFF otherwise than it says when it opens it, some only when it is copied
            return decoded if decoded.scale > 1 else replace(decoded, size=decoded.image.size)
        except ConfigError:
            raise
        except Exception as problem:  # decoders meet damaged files with errors of any class
            raise ConfigError(f"this picture is damaged: {_first_line(problem)}", file=name) from problem


@contextmanager
def open_picture(source: Path | bytes, name: str) -> Iterator[Image.Image]:
    """An opened picture whose pixels are not decoded yet; raises as `decode_picture` does."""
    with warnings.catch_warnings(), ExitStack() as files:
        warnings.simplefilter("ignore")  # of half the limit on pixels, which photographs reach, and of EXIF data
        try:
            Image.init()
            formats = [name for name in FORMATS if name in Image.OPEN]
            if isinstance(source, Path) and not source.is_file():
                raise FileNotFoundError(f"there is no file {name}")
            # never by path: Pillow maps such files into memory, with rows of the wrong length in TIFFs that are turned
            stream = io.BytesIO(source) if isinstance(source, bytes) else files.enter_context(source.open("rb"))
            head = stream.read(32)
            stream.seek(0)
            image = _open_heif(stream, name) if _is_heif(head) else Image.open(stream, formats=formats)
        except MissingDependency:
            raise
        except Image.DecompressionBombError as problem:
            size = str(problem).split(",")[0].replace("Image size", "its size")
            raise ConfigError(f"this picture is too large: {size}", file=name, hint="make it smaller") from problem
        except (UnidentifiedImageError, FileNotFoundError, IsADirectoryError, PermissionError) as problem:
            raise ConfigError("cannot read this as a picture", file=name, hint="save it as PNG or JPEG") from problem
        except Exception as problem:  # decoders meet damaged files with errors of any class
            raise ConfigError(
                f"cannot read this as a picture: {_first_line(problem)}", file=name, hint="save it as PNG or JPEG"
            ) from problem
        with image:
            yield image


def orientation(image: Image.Image) -> int:
    """The EXIF orientation of an opened picture, 1 to 8; 1 where there is none, or damaged data."""
    if image.format == "TIFF":  # Pillow turns these itself when it decodes them
        return 1
    if image.format == "PNG" and not {"exif", "Raw profile type exif"} & image.info.keys():
        return 1  # asked for EXIF data, Pillow would decode all of it in search of them
    try:
        value = image.getexif().get(Tag.Orientation, 1)
    except Exception:  # EXIF data of any content come with files, and damaged ones say nothing
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def seen_size(image: Image.Image) -> tuple[int, int]:
    """Width and height of an opened picture once it is turned upright."""
    width, height = image.size
    return (height, width) if orientation(image) >= 5 else (width, height)


def _is_heif(head: bytes) -> bool:
    return head[4:8] == b"ftyp" and head[8:12] in HEIF_BRANDS and b"avif" not in head[8:32]


def _open_heif(stream: IO[bytes], name: str) -> Image.Image:
    try:
        import pillow_heif
    except ImportError as problem:
        raise MissingDependency(
            f"{name} is a HEIC picture, and reading those needs pillow-heif: run "
            '`pip install "maquette[heic]"`, or save the picture as JPEG or PNG'
        ) from problem
    image = pillow_heif.open_heif(stream, convert_hdr_to_8bit=True).to_pillow()  # libheif turns it upright
    image.format = "HEIF"
    image.info.pop("exif", None)
    return image


def _note_frames(decoded: Decoded) -> Decoded:
    image = decoded.image
    try:
        try:
            frames = getattr(image, "n_frames", 1)
        finally:
            image.seek(0)  # else Pillow turns a TIFF again when it is copied
    except Exception:  # counting them decodes some, and a damaged one is no reason to refuse the first
        return decoded.noting(warning="further frames of this file are damaged; the first is read")
    if frames < 2 or decoded.format in ("PSD", "ICO"):  # layers, and copies in other sizes
        return decoded
    if decoded.format in ANIMATIONS:
        return decoded.noting(warning=f"an animation: the first of its {frames} frames is read")
    if decoded.format == "MPO":  # telephones add a depth or brightness map
        return decoded.noting(ignored=f"{frames - 1} further pictures in the file")
    return decoded.noting(warning=f"the first of the {frames} pictures in this file is read")


def _draft(decoded: Decoded, largest: int) -> Decoded:
    width, height = decoded.size
    scale = 2 ** max(0, min(3, int(math.log2(max(1, max(width, height) / largest)))))
    if scale == 1 or decoded.format not in ("JPEG", "MPO"):
        return decoded
    decoded.image.draft(None, (-(-width // scale), -(-height // scale)))
    reduced = decoded.image.size
    return replace(decoded, scale=scale) if reduced == (-(-width // scale), -(-height // scale)) else decoded


def _turn(decoded: Decoded, upright: bool) -> Decoded:
    turn = orientation(decoded.image)
    if turn == 1:
        return decoded
    if not upright:
        return decoded.noting(ignored=f"EXIF orientation {turn}")
    image = decoded.image.transpose(TURNS[turn])
    size = decoded.size[::-1] if turn >= 5 else decoded.size
    return replace(decoded, image=image, size=size).noting(used=f"EXIF orientation {turn}")


def _to_srgb(decoded: Decoded, name: str) -> Decoded:
    image, info = decoded.image, decoded.image.info
    if image.mode in SIXTEEN_BIT_MODES:
        return _sixteen_bits(decoded, name)
    if image.mode == "F":
        raise ConfigError("pictures of floating-point numbers are not read", file=name, hint="save it as PNG")
    if image.mode == "LAB":
        to_rgb = ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")
        image = ImageCms.applyTransform(image, to_rgb) or image.convert("RGB")
        return replace(decoded, image=image)
    alpha = _alpha(image)
    if info.get("icc_profile"):
        decoded = _apply_profile(decoded, info["icc_profile"])
    else:
        decoded = _apply_gamma(replace(decoded, image=_rgb(image)), info)
    if alpha is not None:
        result = decoded.image.copy() if decoded.image is image else decoded.image
        result.putalpha(alpha)
        decoded = replace(decoded, image=result)
    return decoded


def _alpha(image: Image.Image) -> Image.Image | None:
    if not image.has_transparency_data:
        return None
    if image.mode in ("La", "RGBa"):
        image = image.convert({"La": "LA", "RGBa": "RGBA"}[image.mode])
    return (image if "A" in image.getbands() else image.convert("RGBA")).getchannel("A")


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("La", "RGBa"):  # colors that are multiplied by alpha
        image = image.convert({"La": "LA", "RGBa": "RGBA"}[image.mode])
    if image.mode in ("P", "PA") and image.has_transparency_data:
        image = image.convert("RGBA")  # straight to RGB, Pillow would warn of its transparency
    return image if image.mode == "RGB" else image.convert("RGB")


def _apply_profile(decoded: Decoded, data: bytes) -> Decoded:
    image = decoded.image
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
        space = profile.profile.xcolor_space.strip()
        description = ImageCms.getProfileDescription(profile).strip() or "unnamed"
    except Exception:  # LittleCMS meets damaged profiles with errors of several classes
        return replace(decoded, image=_rgb(image)).noting(warning="its color profile is damaged and not applied")
    decoded = replace(decoded, color_profile=description)
    if space == "RGB" and "srgb" in description.lower().replace(" ", ""):
        return replace(decoded, image=_rgb(image)).noting(used="color profile")
    colors = image.convert("L") if space == "GRAY" and image.mode in ("1", "L", "LA") else image
    colors = _rgb(image) if space == "RGB" else colors
    if {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}.get(space) != colors.mode:
        return replace(decoded, image=_rgb(image)).noting(
            warning=f"its color profile {description!r} is for {space} and not for {image.mode}, and not applied"
        )
    try:
        converted = ImageCms.profileToProfile(colors, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except ImageCms.PyCMSError:
        converted = None
    if converted is None:
        return replace(decoded, image=_rgb(image)).noting(
            warning=f"its color profile {description!r} cannot be applied"
        )
    return replace(decoded, image=converted).noting(used="color profile")


def _apply_gamma(decoded: Decoded, info: dict) -> Decoded:
    gamma = info.get("gamma")
    if not isinstance(gamma, float) or gamma <= 0 or "srgb" in info or abs(gamma - SRGB_GAMMA) < GAMMA_TOLERANCE:
        return decoded
    table = linear_to_srgb(torch.linspace(0, 1, 256) ** (1 / gamma)) * 255
    levels = table.round().int().tolist() * 3
    return replace(decoded, image=decoded.image.point(levels)).noting(used=f"gamma {gamma:g}")


def _sixteen_bits(decoded: Decoded, name: str) -> Decoded:
    image, info = decoded.image, decoded.image.info
    levels = np.asarray(image.convert("I"), np.int32)
    if levels.size and (levels.min() < 0 or levels.max() > 65535):
        raise ConfigError("pictures of 32-bit numbers are not read", file=name, hint="save it as PNG of 8 or 16 bits")
    grey = Image.fromarray(levels.astype(np.float32) / 257, "F")
    decoded = replace(decoded, image=grey)
    if info.get("icc_profile"):
        decoded = decoded.noting(ignored="color profile of grey with 16 bits")
    transparent = info.get("transparency")
    if isinstance(transparent, int):
        opaque = Image.fromarray(np.where(levels == transparent, 0, 255).astype(np.uint8))
        color = Image.fromarray((levels / 257 + 0.5).astype(np.uint8)).convert("RGB")
        color.putalpha(opaque)
        return replace(decoded, image=color)
    return decoded


def _first_line(problem: Exception) -> str:
    lines = str(problem).strip().splitlines()
    return lines[0] if lines else type(problem).__name__
