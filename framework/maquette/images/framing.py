"""An object's part of a picture: without its background, centred, as large as it is to be."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from maquette.errors import ConfigError, MissingDependency
from maquette.images.reading import read_rgba
from maquette.images.resampling import area_resample

CUTTER = "u2net"  # rembg's model; its own choice changes with its version, and may not be free for every use

RemoveBackground = Literal["auto", "never"]
"""Whether to remove the background of a picture without alpha."""


class Square(NamedTuple):
    """Which part of a picture is taken: the middle, row and column, and the side, pixels."""

    middle: tuple[float, float]
    side: float


def square_about(alpha: Float[Tensor, "H W"], fill: float) -> Square:
    """The square about the object, of which it fills a share, or about the whole picture."""
    rows, columns = (alpha > 0.5).any(1).nonzero()[:, 0], (alpha > 0.5).any(0).nonzero()[:, 0]
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    height, width = alpha.shape
    if fill == 0:
        return Square((height / 2, width / 2), float(max(height, width)))
    return Square(((top + bottom) / 2, (left + right) / 2), max(bottom - top, right - left) / fill)


def frame(
    layer: Float[Tensor, "H W 4"], alpha: Float[Tensor, "H W"], square: Square, size: int
) -> Float[Tensor, "size size 4"]:
    """A part of a picture, each pixel the mean of what it covers, colours weighted by the object's alpha."""
    rim = math.ceil(square.side)  # what lies outside the picture is transparent
    padded = functional.pad(torch.cat([layer[..., :3], alpha[..., None]], dim=-1), (0, 0, rim, rim, rim, rim))
    center = (square.middle[0] + rim, square.middle[1] + rim)
    step = square.side / size
    return area_resample(padded[None], center, (step, step), (size, size))[0]


def read_object(path: Path, remove_background: RemoveBackground) -> Float[Tensor, "H W 4"]:
    """The picture of an object, transparent around it.

    Args:
        path: a picture, with an alpha channel or without.
        remove_background: "auto": remove it where the picture has no alpha; "never": keep it.

    Raises:
        ConfigError: nothing in it is opaque, or rembg's model cannot be had.
        MissingDependency: its background has to be removed, and rembg is not installed.
    """
    rgba = read_rgba(path)
    if remove_background == "auto" and bool((rgba[..., 3] == 1).all()):
        rgba = _without_background(rgba, path)
    if not bool((rgba[..., 3] > 0.5).any()):
        raise ConfigError(
            "nothing in this picture is opaque", file=str(path), hint="the object has to be, and its background not"
        )
    return rgba


def _without_background(rgba: Float[Tensor, "H W 4"], path: Path) -> Float[Tensor, "H W 4"]:
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
    pixels = (rgba[..., :3].numpy() * 255 + 0.5).astype("uint8")
    return torch.from_numpy(rembg.remove(pixels, session=cutter)).float() / 255
