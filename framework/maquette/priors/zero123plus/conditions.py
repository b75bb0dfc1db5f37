"""Conditions of Zero123++, and the check that cameras are its six fixed views."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.cameras.base import Cameras
from maquette.cameras.directions import wrap_deg
from maquette.cameras.six_views import AZIMUTHS_DEG, ELEVATIONS_DEG, Layout, six_cameras
from maquette.errors import ConfigError
from maquette.priors.base import Conditions
from maquette.priors.zero123plus.canvas import VIEWS, check_groups

CLOSE_DEG = 0.5  # tolerance of the cameras' angles


def check_cameras(cameras: Cameras, layout: Layout, azimuth_deg: float) -> None:
    """Check that cameras have the azimuths and elevations of the layout; distance and field of view are not checked.

    Raises:
        ConfigError: naming the first camera that differs, and a sampler with the right cameras.
    """
    check_groups(len(cameras))
    layout_cameras = six_cameras(layout, azimuth_deg, 1.0, 1)
    azimuths, elevations = (
        values.to(cameras.c2w.device).repeat(len(cameras) // VIEWS)
        for values in (wrap_deg(layout_cameras.azimuth_deg), layout_cameras.elevation_deg)
    )
    off = torch.maximum(wrap_deg(cameras.azimuth_deg - azimuths).abs(), (cameras.elevation_deg - elevations).abs())
    if bool((off > CLOSE_DEG).any()):
        at = int((off > CLOSE_DEG).int().argmax())
        position, expected = (
            f"azimuth {float(azimuth[at]):g}, elevation {float(elevation[at]):g}"
            for azimuth, elevation in (
                (wrap_deg(cameras.azimuth_deg), cameras.elevation_deg),
                (azimuths, elevations),
            )
        )
        raise ConfigError(
            f"this prior has six views, {layout}'s, and number {at % VIEWS + 1} is from {expected}, not {position}",
            key="cameras", hint=f"use {_sampler(layout, azimuth_deg)}",
        )  # fmt: skip


def _sampler(layout: Layout, azimuth_deg: float) -> str:
    azimuths, elevations = (
        ", ".join(f"{value:g}" for value in values) for values in (AZIMUTHS_DEG, ELEVATIONS_DEG[layout])
    )
    turned = f", turn_deg: {azimuth_deg:g}" if azimuth_deg else ""
    return f"{{type: list, azimuth_deg: [{azimuths}], elevation_deg: [{elevations}]{turned}}}"


@dataclass(frozen=True)
class ObjectConditioning:
    """The conditioning on one object, for any number of its pictures.

    Args:
        context: input of the UNet's cross-attention.
        picture: latents of the reference, unscaled, or its pixels; input of the UNet's reference attention.
    """

    context: Float[Tensor, "L D"]
    picture: Float[Tensor, "C h w"]


class SixViews(Conditions):
    """Conditions on a reference picture, for six fixed cameras around the object.

    Args:
        positive, unconditional: with and without the reference.
        layout: version of the six cameras.
        azimuth_deg: azimuth of the reference.
    """

    def __init__(
        self, positive: ObjectConditioning, unconditional: ObjectConditioning, layout: Layout, azimuth_deg: float
    ) -> None:
        self.positive, self.unconditional = positive, unconditional
        self.layout, self.azimuth_deg = layout, azimuth_deg

    def at(self, cameras: Cameras) -> dict[str, ObjectConditioning]:
        check_cameras(cameras, self.layout, self.azimuth_deg)
        return {"positive": self.positive, "unconditional": self.unconditional, "empty": self.unconditional}
