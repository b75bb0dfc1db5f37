"""Reading pictures from files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from maquette.errors import ConfigError
from maquette.files import display_path
from maquette.images.decoding import Decoded, decode_picture, open_picture, seen_size
from maquette.images.picture import Picture
from maquette.loaded import Loaded

LEAST_TRANSPARENT = 0.005  # fraction of the pixels below which a picture counts as one without alpha
LARGEST_SIDE = 2048  # pixels of the longer side to which larger pictures of an object are reduced


def image_size(path: Path, key: str, file: Path, *, upright: bool = False) -> tuple[int, int]:
    """Width and height of the picture at `path`, which comes from `key` of `file`; `upright`: as EXIF turns it.

    Raises:
        ConfigError: the file is missing or not a picture.
    """
    if not path.exists():
        raise ConfigError(f"there is no picture {display_path(path)}", key=key, file=display_path(file))
    try:
        with open_picture(path, display_path(path)) as picture:
            return seen_size(picture) if upright else picture.size
    except ConfigError as problem:
        what = f"cannot read this picture, {display_path(path)}: {problem.message}"
        raise ConfigError(what, key=key, file=display_path(file)) from problem


def read_picture(path: Path) -> Picture:
    """Read a picture as it is seen: upright and in sRGB; alpha is 1 for files without it.

    Raises:
        ConfigError: the file is no picture, too large, or damaged.
    """
    decoded = decode_picture(path)
    return _account(decoded, picture_of(decoded.image), {}).unwrap(display_path(path))


def inspect_picture(path: Path, largest: int = LARGEST_SIDE) -> Loaded[Picture]:
    """Read a picture, reduced so that no side is longer than `largest`, with an account of its file.

    Facts: `width` and `height` as seen, `mode`, `color_profile` ("" without one), `alpha_coverage` (mean of alpha in
    [0, 1]), `object_box` (left, top, right, bottom in pixels of what is opaque; null where everything or nothing is).

    Raises:
        ConfigError: as `read_picture`.
    """
    decoded = decode_picture(path)
    width, height = decoded.size
    coverage, box = alpha_coverage(decoded.image), object_box(decoded.image)
    facts = {
        "width": width, "height": height, "mode": decoded.mode, "color_profile": decoded.color_profile,
        "alpha_coverage": coverage, "object_box": box,
    }  # fmt: skip
    if decoded.image.mode == "RGBA" and coverage < 1:
        if counts_as_opaque(decoded.image):
            decoded = decoded.noting(warning="almost nothing of it is transparent: it counts as one without alpha")
        elif box is None:
            decoded = decoded.noting(warning="nothing of it is opaque")
    factor = -(-max(width, height) // largest)
    return _account(decoded, picture_of(decoded.image.reduce(factor) if factor > 1 else decoded.image), facts)


def picture_of(image: Image.Image) -> Picture:
    """A picture of a decoded image of mode RGB, RGBA or F (see `Decoded`)."""
    pixels = torch.from_numpy(np.array(image, dtype=np.float32 if image.mode == "F" else np.uint8))
    if image.mode == "F":
        pixels = pixels[..., None].expand(*pixels.shape, 3)
    color = (pixels[..., :3].float() / 255)[None]
    alpha = (pixels[..., 3:].float() / 255)[None] if image.mode == "RGBA" else torch.ones_like(color[..., :1])
    return Picture(color, alpha)


def rgba_of(image: Image.Image) -> Image.Image:
    """A decoded image in mode RGBA, of 8 bits."""
    if image.mode == "F":
        image = Image.fromarray((np.asarray(image) + 0.5).astype(np.uint8))
    return image.convert("RGBA")


def grey_values(image: Image.Image) -> Float[Tensor, "1 H W 1"]:
    """Values in [0, 1] of a decoded image that is a map or mask of one channel."""
    grey = image if image.mode == "F" else image.convert("L")
    return torch.from_numpy(np.array(grey, dtype=np.float32))[None, ..., None] / 255


def alpha_coverage(image: Image.Image) -> float:
    """Mean alpha of a decoded image, in [0, 1]."""
    if image.mode != "RGBA":
        return 1.0
    counts = np.asarray(image.getchannel("A").histogram())
    return float((counts * np.arange(256)).sum() / 255 / counts.sum())


def object_box(image: Image.Image, least: int = 128) -> list[int] | None:
    """Left, top, right, bottom of the pixels whose alpha is `least` of 255 or more; None where all or none are."""
    if image.mode != "RGBA":
        return None
    opaque = image.getchannel("A").point([255 * (level >= least) for level in range(256)])
    box = opaque.getbbox()
    return None if box is None or opaque.histogram()[0] == 0 else list(box)


def counts_as_opaque(image: Image.Image) -> bool:
    """Whether so little of a decoded image is transparent that it counts as a picture without alpha."""
    if image.mode != "RGBA":
        return True
    counts = image.getchannel("A").histogram()
    return sum(counts[:128]) < LEAST_TRANSPARENT * sum(counts)


def _account(decoded: Decoded, picture: Picture, facts: dict) -> Loaded[Picture]:
    return Loaded(
        picture, "picture", decoded.format.lower(), decoded.used, decoded.ignored, decoded.warnings, facts
    )  # fmt: skip
