"""Uniform Laplacian smoothing of a mesh."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from maquette.config.capabilities import RENDERED_MESH, Capabilities
from maquette.config.schedules import Schedule
from maquette.losses.base import Loss, differentiable_zero
from maquette.registry import register
from maquette.renderers.base import Rendering


@register("loss", "laplacian")
class Laplacian(Loss):
    """Uniform Laplacian smoothing: mean over the mesh's vertices of |mean of the neighbours - vertex|.

    Source: Nealen et al. 2006, "Laplacian mesh optimization".
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
        ends, _ = mesh.edges
        if not len(ends):
            return differentiable_zero(mesh.vertices)
        both = torch.cat([ends, ends.flip(-1)])
        total = torch.zeros_like(mesh.vertices).index_add(0, both[:, 0], mesh.vertices[both[:, 1]])
        count = torch.bincount(both[:, 0], minlength=len(mesh.vertices))[:, None]
        connected = count[:, 0] > 0
        return (total / count.clamp(min=1) - mesh.vertices)[connected].norm(dim=-1).mean()
