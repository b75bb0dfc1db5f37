"""Mattes by rembg, a network that finds what a photograph shows."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from maquette.errors import ConfigError, MissingDependency
from maquette.images.picture import Picture
from maquette.images.pixels import to_bytes
from maquette.matting.base import Matting
from maquette.registry import register

REMBG_MODEL = "u2net"  # rembg's default changes with its version, and may not be free for every use


@register("matting", "rembg")
class Rembg(Matting):
    """What the network U2-Net of rembg takes for the object of a photograph; needs the extra `image`.

    Source: Qin et al. 2020 (U2-Net, arXiv 2005.09007).
    """

    @dataclass(frozen=True)
    class Config:
        pass

    def __init__(self, config: Config) -> None:
        self.config = config
        self._session: tuple[Any, Any] | None = None  # loading takes seconds

    def __call__(self, picture: Picture) -> Picture:
        self._session = self._session or _load()
        rembg, session = self._session
        pixels = to_bytes(picture.over(1.0).cpu().numpy())
        rgba = np.stack([rembg.remove(one, session=session) for one in pixels])
        return Picture.from_rgba(torch.from_numpy(rgba).float() / 255).to(picture.color.device)


def _load() -> tuple[Any, Any]:
    """The package rembg, and its network.

    Raises:
        MissingDependency: the package is missing.
        ConfigError: the network's file is.
    """
    try:
        import rembg
    except (ImportError, SystemExit) as problem:  # it exits where it comes without an onnxruntime
        raise MissingDependency(
            "this picture has no transparent background, and removing what it has needs rembg: run "
            '`pip install "maquette[image]"`, or take matting=border where the background is of one colour'
        ) from problem
    try:
        return rembg, rembg.new_session(REMBG_MODEL)
    except Exception as problem:  # errors of downloads and of onnxruntime have no common base
        home = os.environ.get("U2NET_HOME") or Path(os.environ.get("XDG_DATA_HOME", "~"), ".u2net")
        raise ConfigError(
            f"this picture has no transparent background, and rembg's model {REMBG_MODEL}, which makes one, "
            f"cannot be had: {str(problem).strip().splitlines()[0]}",
            hint=f"take matting=border where the background is of one colour, or put {REMBG_MODEL}.onnx from rembg's "
            f"releases (https://github.com/danielgatis/rembg/releases/tag/v0.0.0) into {Path(home).expanduser()}",
        ) from problem
