"""Vertex deviation regularisation of FlexiCubes (L_dev)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from maquette.config.capabilities import GEOMETRY_DEVIATION, RENDERED_MESH, Capabilities
from maquette.config.schedules import Schedule
from maquette.geometry.flexicubes import FlexiCubesMesh
from maquette.losses.base import Loss
from maquette.registry import register
from maquette.renderers.base import Rendering


@register("loss", "flexicubes-deviation")
class FlexiCubesDeviation(Loss):
    """FlexiCubes' L_dev: mean over dual vertices v of the mean absolute deviation of |v - u_e|, u_e the edge crossings.

    u_e are the crossings of the patch that v belongs to. The loss keeps vertices at the centre of their patches without
    moving the surface, and prevents folds where no image constrains them.

    Source: Shen et al. 2023 (FlexiCubes, arXiv 2308.05371), eq. 8, as a mean instead of a sum; default weight from the
    authors' example of fitting a mesh to masks and depths.
    """

    @dataclass(frozen=True)
    class Config:
        weight: Schedule = Schedule.constant(0.5)

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return super().capabilities(config).needing(RENDERED_MESH, GEOMETRY_DEVIATION)

    def __call__(self, rendering: Rendering, geometry: Any) -> Tensor:
        mesh = rendering.mesh
        assert isinstance(mesh, FlexiCubesMesh)
        return mesh.deviation
