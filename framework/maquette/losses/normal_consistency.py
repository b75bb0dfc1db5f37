"""Normal consistency of neighbouring triangles of a mesh."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from maquette.config.capabilities import RENDERED_MESH, Capabilities
from maquette.config.schedules import Schedule
from maquette.losses.base import Loss, differentiable_zero
from maquette.registry import register
from maquette.renderers.base import Rendering


@register("loss", "normal-consistency")
class NormalConsistency(Loss):
    """Normal consistency: mean over a mesh's edges of 1 - cos(n_f, n_g), f and g the two triangles at the edge.

    Source: Nealen et al. 2006; as used for text to 3D: Chen et al. 2023 (Fantasia3D, arXiv 2303.13873).
    """

    @dataclass(frozen=True)
    class Config:
        weight: Schedule = Schedule.constant(1.0)

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return super().capabilities(config).needing(RENDERED_MESH)

    def __call__(self, rendering: Rendering, geometry: Any) -> Tensor:
        mesh = rendering.mesh
        assert mesh is not None
        _, faces = mesh.edges
        if not len(faces):
            return differentiable_zero(mesh.vertices)
        first, second = mesh.face_normals()[faces].unbind(1)
        return (1 - (first * second).sum(-1)).mean()
