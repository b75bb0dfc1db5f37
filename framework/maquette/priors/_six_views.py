"""From where a six-view model sees an object, and what it is told of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.cameras.base import Cameras, orbit_cameras
from maquette.errors import ConfigError
from maquette.priors._canvas import VIEWS, check_groups
from maquette.priors.base import Conditions
from maquette.views import turn_deg

Layout = Literal["v1.1", "v1.2"]
"""Which of the published models' cameras."""

AZIMUTHS_DEG = (30.0, 90.0, 150.0, 210.0, 270.0, 330.0)  # from the reference's on
ELEVATIONS_DEG: dict[Layout, tuple[float, float]] = {"v1.1": (30.0, -20.0), "v1.2": (20.0, -10.0)}  # in turn
FOV_Y_DEG: dict[Layout, float] = {"v1.1": 49.1, "v1.2": 30.0}
CLOSE_DEG = 0.5  # by how much a camera may be off


def six_cameras(layout: Layout, azimuth_deg: float, distance: float, size: int) -> Cameras:
    """The cameras of the six views.

    Source: Zero123++'s README, on camera parameters; the angle of view of v1.1: its author in issue 68.

    Args:
        layout: whose.
        azimuth_deg: of the reference; its elevation does not come into it.
        distance: scene units; the models take objects of any size.
        size: picture side in pixels.

    Example:
        >>> six_cameras("v1.2", azimuth_deg=0.0, distance=4.0, size=8).elevation_deg
        tensor([ 20., -10.,  20., -10.,  20., -10.])
    """
    turns = torch.tensor(AZIMUTHS_DEG)
    elevations = torch.tensor(ELEVATIONS_DEG[layout]).repeat(VIEWS // 2)
    ones = torch.ones(VIEWS)
    return orbit_cameras(turns + azimuth_deg, elevations, distance * ones, FOV_Y_DEG[layout] * ones, size)


def check_cameras(cameras: Cameras, layout: Layout, azimuth_deg: float) -> None:
    """Refuse cameras that do not stand where the six do; how far away, and how wide their view is, is left to them.

    Raises:
        ConfigError: naming the first that does not, and a sampler whose cameras do.
    """
    check_groups(len(cameras))
    known = six_cameras(layout, azimuth_deg, 1.0, 1)
    azimuths, elevations = (
        values.to(cameras.c2w.device).repeat(len(cameras) // VIEWS)
        for values in (turn_deg(known.azimuth_deg), known.elevation_deg)
    )
    off = torch.maximum(turn_deg(cameras.azimuth_deg - azimuths).abs(), (cameras.elevation_deg - elevations).abs())
    if bool((off > CLOSE_DEG).any()):
        at = int((off > CLOSE_DEG).int().argmax())
        stands, wanted = (
            f"azimuth {float(azimuth[at]):g}, elevation {float(elevation[at]):g}"
            for azimuth, elevation in (
                (turn_deg(cameras.azimuth_deg), cameras.elevation_deg),
                (azimuths, elevations),
            )
        )
        raise ConfigError(
            f"this prior knows six views, {layout}'s, and number {at % VIEWS + 1} is from {wanted}, not {stands}",
            key="cameras", hint=f"use {_sampler(layout, azimuth_deg)}",
        )  # fmt: skip


def _sampler(layout: Layout, azimuth_deg: float) -> str:
    azimuths, elevations = (
        ", ".join(f"{value:g}" for value in values) for values in (AZIMUTHS_DEG, ELEVATIONS_DEG[layout])
    )
    turned = f", turn_deg: {azimuth_deg:g}" if azimuth_deg else ""
    return f"{{type: list, azimuth_deg: [{azimuths}], elevation_deg: [{elevations}]{turned}}}"


@dataclass(frozen=True)
class Told:
    """What the model is told of an object, whatever the number of its pictures.

    Args:
        context: what the UNet's cross-attention sees.
        picture: the reference, as the model denoises it but for scaling; what its self-attention sees beside.
    """

    context: Float[Tensor, "L D"]
    picture: Float[Tensor, "C h w"]


class SixViews(Conditions):
    """The object in a picture, from six cameras that lie fixed about it.

    Args:
        wanted, nothing: with and without the picture.
        layout: whose cameras.
        azimuth_deg: of the reference.
    """

    def __init__(self, wanted: Told, nothing: Told, layout: Layout, azimuth_deg: float) -> None:
        self.wanted, self.nothing = wanted, nothing
        self.layout, self.azimuth_deg = layout, azimuth_deg

    def at(self, cameras: Cameras) -> dict[str, Told]:
        check_cameras(cameras, self.layout, self.azimuth_deg)
        return {"positive": self.wanted, "unconditional": self.nothing, "empty": self.nothing}
