"""Reading pictures from files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from maquette.errors import ConfigError
from maquette.files import display_path
from maquette.images.picture import Picture

EIGHT_BIT_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")  # Pillow's modes that convert to RGBA without loss


def image_size(path: Path, key: str, file: Path) -> tuple[int, int]:
    """Width and height of the picture at `path`, which comes from `key` of `file`.

    Raises:
        ConfigError: the file is missing or not a picture.
    """
    try:
        with Image.open(path) as picture:
            return picture.size
    except FileNotFoundError:
        raise ConfigError(f"there is no picture {display_path(path)}", key=key, file=display_path(file)) from None
    except (OSError, UnidentifiedImageError) as problem:
        raise ConfigError(f"cannot read this picture: {problem}", key=key, file=display_path(file)) from problem


def read_picture(path: Path) -> Picture:
    """Read a picture from a file; alpha is 1 for files without it.

    Raises:
        ConfigError: the file is no picture, has more than 8 bits per channel, or is damaged.
    """
    try:
        opened = Image.open(path)
    except (OSError, UnidentifiedImageError) as problem:
        raise ConfigError("cannot read this as a picture", file=display_path(path), hint="save it as PNG") from problem
    with opened as picture:
        if picture.mode not in EIGHT_BIT_MODES:
            raise ConfigError(
                f"pictures of mode {picture.mode} are not read",
                file=display_path(path),
                hint="save it as PNG with 8 bits",
            )
        try:
            pixels = np.asarray(picture.convert("RGBA"), np.float32)
        except OSError as problem:
            raise ConfigError(f"this picture is damaged: {problem}", file=display_path(path)) from problem
    return Picture.from_rgba(torch.from_numpy(pixels / 255)[None])
