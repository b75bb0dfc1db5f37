"""An object's part of a picture: without its background, centred, as large as it is to be."""

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

CUTTER = "u2net"  # rembg's model; its own choice changes with its version, and may not be free for every use

RemoveBackground = Literal["auto", "never"]
"""Whether to remove the background of a picture without alpha."""


class Square(NamedTuple):
    """Which part of a picture is taken: the middle, row and column, and the side, pixels."""

    middle: tuple[float, float]
    side: float


def square_about(picture: Picture, fill: float) -> Square:
    """The square about the object, of which it fills a share; where that is 0, the one about the whole picture."""
    alpha = picture.alpha[0, ..., 0]
    rows, columns = (alpha > 0.5).any(1).nonzero()[:, 0], (alpha > 0.5).any(0).nonzero()[:, 0]
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    height, width = picture.size
    if fill == 0:
        return Square((height / 2, width / 2), float(max(height, width)))
    return Square(((top + bottom) / 2, (left + right) / 2), max(bottom - top, right - left) / fill)


def frame(picture: Picture, square: Square, size: int) -> Picture:
    """A part of a picture, `size` pixels a side: each is the mean of what it covers, color weighted by alpha.

    What lies outside the picture is transparent.
    """
    step = square.side / size
    return area_resample(picture, square.middle, (step, step), (size, size))


def frame_values(
    values: Float[Tensor, "1 H W C"], alpha: Float[Tensor, "1 H W 1"], square: Square, size: int
) -> Float[Tensor, "1 size size C"]:
    """The same part of a map of any values, such as depths or normals, of the object that alpha covers."""
    step = square.side / size
    return area_mean(values, alpha, square.middle, (step, step), (size, size))[0]


def read_object(path: Path, remove_background: RemoveBackground) -> Picture:
    """The picture of an object, transparent around it.

    Args:
        path: a picture, with an alpha channel or without.
        remove_background: "auto": remove it where the picture has no alpha; "never": keep it.

    Raises:
        ConfigError: nothing in it is opaque, or rembg's model cannot be had.
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
        cutter = rembg.new_session(CUTTER)
    except Exception as problem:  # those of downloads and of onnxruntime have no common base
        home = os.environ.get("U2NET_HOME") or Path(os.environ.get("XDG_DATA_HOME", "~"), ".u2net")
        raise ConfigError(
            f"this picture has no transparent background, and rembg's model {CUTTER}, which makes one, cannot be had: "
            f"{str(problem).strip().splitlines()[0]}", file=str(path),
            hint=f"save the picture with a transparent background, or put {CUTTER}.onnx from rembg's releases "
            f"(https://github.com/danielgatis/rembg/releases/tag/v0.0.0) into {Path(home).expanduser()}",
        ) from problem  # fmt: skip
    rgba = rembg.remove(to_bytes(picture.color[0].numpy()), session=cutter)
    return Picture.from_rgba(torch.from_numpy(rgba)[None].float() / 255)
