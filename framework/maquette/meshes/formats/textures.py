"""Decoding of pictures that serve as textures."""

from __future__ import annotations

import io
import warnings

import numpy as np
import torch
from PIL import Image, ImageOps

from maquette.errors import ConfigError
from maquette.images.color import linear_to_srgb, srgb_to_linear
from maquette.meshes.formats.source import Source

SIXTEEN_BITS = 65535
KTX_HINT = "convert its textures to PNG: gltf-transform ktxdecompress IN OUT"


def decode_texture(data: bytes, name: str, source: Source) -> Image.Image:
    """The RGB picture in the bytes of an image file, upright, with 8 bits per channel; transparency is dropped.

    Raises:
        ConfigError: it is no picture that Pillow reads, is damaged, or has too many pixels.
    """
    if data[1:7] == b"KTX 20" or data[1:7] == b"KTX 11":
        raise source.error(
            f"its texture {name} is a KTX picture (KHR_texture_basisu), which is not read", hint=KTX_HINT
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data)) as opened:
                opened.load()
                picture: Image.Image = _to_rgb(ImageOps.exif_transpose(opened))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as problem:
        raise source.error(f"its texture {name} is too large: {problem}", hint="shrink it") from problem
    except Exception as problem:  # Pillow's decoders raise whatever a broken file makes them stumble over
        raise _unreadable(name, problem, source) from problem
    if not all(picture.size):
        raise _unreadable(name, ValueError("it has no pixels"), source)
    source.textures.append(picture.size)
    return picture


def multiply_light(picture: Image.Image, factor: np.ndarray) -> Image.Image:
    """The picture with its light multiplied by `factor`, linear RGB [3] in [0, 1]."""
    if (factor == 1).all():
        return picture
    light = to_light(np.arange(256) / 255)
    tables = [np.round(to_srgb(light * value) * 255).astype(int).tolist() for value in factor]
    return picture.point([entry for table in tables for entry in table])


def to_light(srgb: np.ndarray) -> np.ndarray:
    """Linear light of sRGB values in [0, 1]; arrays of any shape."""
    return srgb_to_linear(torch.from_numpy(np.ascontiguousarray(srgb, np.float64))).numpy()


def to_srgb(light: np.ndarray) -> np.ndarray:
    """sRGB of linear light, clipped to [0, 1]; arrays of any shape."""
    return linear_to_srgb(torch.from_numpy(np.ascontiguousarray(light, np.float64))).numpy()


def sample_texture(
    texels: np.ndarray, uv: np.ndarray, wrap: tuple[str, str] = ("clamp", "clamp"), nearest: bool = False
) -> np.ndarray:
    """Bilinear lookups in a texture.

    Args:
        texels: [H, W, C], the first row at v = 1.
        uv: [n, 2].
        wrap: "repeat", "clamp" or "mirror", across and up.
        nearest: the nearest texel instead of a mean of four.

    Returns:
        [n, C].
    """
    height, width = texels.shape[:2]
    x, y = uv[:, 0] * width - 0.5, (1 - uv[:, 1]) * height - 0.5
    if nearest:
        return texels[_wrap(np.round(y), height, wrap[1]), _wrap(np.round(x), width, wrap[0])]
    left, top = np.floor(x), np.floor(y)
    columns = [_wrap(left + i, width, wrap[0]) for i in (0, 1)]
    rows = [_wrap(top + i, height, wrap[1]) for i in (0, 1)]
    across, down = (x - left)[:, None], (y - top)[:, None]
    upper = texels[rows[0], columns[0]] * (1 - across) + texels[rows[0], columns[1]] * across
    lower = texels[rows[1], columns[0]] * (1 - across) + texels[rows[1], columns[1]] * across
    return upper * (1 - down) + lower * down


def _wrap(place: np.ndarray, size: int, wrap: str) -> np.ndarray:
    place = place.astype(np.int64)
    if wrap == "repeat":
        return place % size
    if wrap == "mirror":
        place = place % (2 * size)
        return np.where(place < size, place, 2 * size - 1 - place)
    return place.clip(0, size - 1)


def _to_rgb(picture: Image.Image) -> Image.Image:
    """8 bit RGB; modes of more bits are scaled, which Pillow's `convert` does not do."""
    if picture.mode.startswith("I;16") or picture.mode in ("I", "F"):
        values = np.asarray(picture, np.float64)
        if picture.mode == "F":
            values = np.nan_to_num(values) * (255 if values.size and values.max() <= 1 else 1)
        elif picture.mode.startswith("I;16") or values.max() > 255:
            values = values * (255 / SIXTEEN_BITS)
        return Image.fromarray(np.round(values.clip(0, 255)).astype(np.uint8)).convert("RGB")
    if picture.mode == "P" and "transparency" in picture.info:
        picture = picture.convert("RGBA")
    return picture.convert("RGB")


def _unreadable(name: str, problem: Exception, source: Source) -> ConfigError:
    reason = "" if isinstance(problem, Image.UnidentifiedImageError) else f": {problem}"
    return source.error(f"its texture {name} cannot be read as a picture{reason}", hint="save it as PNG")
