"""What a six-view model is told of an object, and that it is asked for the views it knows."""

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

CLOSE_DEG = 0.5  # by how much a camera may be off


def check_cameras(cameras: Cameras, layout: Layout, azimuth_deg: float) -> None:
    """Refuse cameras that do not stand where the six do; how far away, and how wide their view is, is left to them.

    Raises:
        ConfigError: naming the first that does not, and a sampler whose cameras do.
    """
    check_groups(len(cameras))
    known = six_cameras(layout, azimuth_deg, 1.0, 1)
    azimuths, elevations = (
        values.to(cameras.c2w.device).repeat(len(cameras) // VIEWS)
        for values in (wrap_deg(known.azimuth_deg), known.elevation_deg)
    )
    off = torch.maximum(wrap_deg(cameras.azimuth_deg - azimuths).abs(), (cameras.elevation_deg - elevations).abs())
    if bool((off > CLOSE_DEG).any()):
        at = int((off > CLOSE_DEG).int().argmax())
        stands, wanted = (
            f"azimuth {float(azimuth[at]):g}, elevation {float(elevation[at]):g}"
            for azimuth, elevation in (
                (wrap_deg(cameras.azimuth_deg), cameras.elevation_deg),
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
    turned = f", azimuth_offset_deg: {azimuth_deg:g}" if azimuth_deg else ""
    return f"{{type: list, azimuth_deg: [{azimuths}], elevation_deg: [{elevations}]{turned}}}"


@dataclass(frozen=True)
class ObjectConditioning:
    """The conditioning of an object, whatever the number of its pictures.

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

    def __init__(
        self, wanted: ObjectConditioning, nothing: ObjectConditioning, layout: Layout, azimuth_deg: float
    ) -> None:
        self.wanted, self.nothing = wanted, nothing
        self.layout, self.azimuth_deg = layout, azimuth_deg

    def at(self, cameras: Cameras) -> dict[str, ObjectConditioning]:
        check_cameras(cameras, self.layout, self.azimuth_deg)
        return {"positive": self.wanted, "unconditional": self.nothing, "empty": self.nothing}
