"""Cropping a picture to its object: background removal, centring, resizing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.errors import ConfigError, MissingDependency
from maquette.images.picture import Picture
from maquette.images.pixels import to_bytes
from maquette.images.reading import read_picture
from maquette.images.resampling import area_mean, area_resample

REMBG_MODEL = "u2net"  # rembg's default changes with its version, and may not be free for every use

RemoveBackground = Literal["auto", "never"]
"""Whether to remove the background of a picture without alpha."""


class SquareCrop(NamedTuple):
    """A square part of a picture: its center (row, column) and its side, in pixels."""

    center: tuple[float, float]
    side: float


def square_around_object(picture: Picture, fill: float) -> SquareCrop:
    """The square of which the object fills a fraction `fill`; at 0 the square around the whole picture."""
    alpha = picture.alpha[0, ..., 0]
    rows, columns = (alpha > 0.5).any(1).nonzero()[:, 0], (alpha > 0.5).any(0).nonzero()[:, 0]
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    height, width = picture.size
    if fill == 0:
        return SquareCrop((height / 2, width / 2), float(max(height, width)))
    return SquareCrop(((top + bottom) / 2, (left + right) / 2), max(bottom - top, right - left) / fill)


def crop_and_resize(picture: Picture, square: SquareCrop, size: int) -> Picture:
    """Crop a square and resize it to `size` pixels a side by area averaging, color weighted by alpha.

    Outside the picture everything is transparent.
    """
    step = square.side / size
    return area_resample(picture, square.center, (step, step), (size, size))


def crop_and_resize_values(
    values: Float[Tensor, "1 H W C"], alpha: Float[Tensor, "1 H W 1"], square: SquareCrop, size: int
) -> Float[Tensor, "1 size size C"]:
    """Crop and resize a map of any values, such as depths or normals, by means weighted by alpha."""
    step = square.side / size
    return area_mean(values, alpha, square.center, (step, step), (size, size))[0]


def read_object(path: Path, remove_background: RemoveBackground) -> Picture:
    """Read the picture of an object, with a transparent background.

    Args:
        path: a picture, with an alpha channel or without.
        remove_background: "auto": remove it if the picture has no alpha; "never": keep it.

    Raises:
        ConfigError: nothing in it is opaque, or rembg's model is not available.
        MissingDependency: its background has to be removed, and rembg is not installed.
    """
    picture = read_picture(path)
    if remove_background == "auto" and bool((picture.alpha == 1).all()):
        picture = _without_background(picture, path)
    if not bool((picture.alpha > 0.5).any()):
        raise ConfigError(
            "nothing in this picture is opaque", file=str(path), hint="the object has to be, and its background not"
        )
    return picture


def _without_background(picture: Picture, path: Path) -> Picture:
    try:
        import rembg
    except (ImportError, SystemExit) as problem:  # it exits where it comes without an onnxruntime
        raise MissingDependency(
            f"{path} has no transparent background, and removing what it has needs rembg: run "
            '`pip install "maquette[image]"`, or save the picture with a transparent background'
        ) from problem
    try:
        session = rembg.new_session(REMBG_MODEL)
    except Exception as problem:  # errors of downloads and of onnxruntime have no common base
        home = os.environ.get("U2NET_HOME") or Path(os.environ.get("XDG_DATA_HOME", "~"), ".u2net")
        raise ConfigError(
            f"this picture has no transparent background, and rembg's model {REMBG_MODEL}, which makes one, "
            f"cannot be had: {str(problem).strip().splitlines()[0]}", file=str(path),
            hint=f"save the picture with a transparent background, or put {REMBG_MODEL}.onnx from rembg's releases "
            f"(https://github.com/danielgatis/rembg/releases/tag/v0.0.0) into {Path(home).expanduser()}",
        ) from problem  # fmt: skip
    rgba = rembg.remove(to_bytes(picture.color[0].numpy()), session=session)
    return Picture.from_rgba(torch.from_numpy(rgba)[None].float() / 255)
