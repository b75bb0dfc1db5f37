"""A signed-distance field on a hash grid, rendered as a volume by VolSDF's or NeuS's density."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from maquette.annotations import Positive
from maquette.config.capabilities import GEOMETRY_LAPLACIAN, GEOMETRY_SDF, Capabilities
from maquette.config.schedules import FractionSchedule, Schedule
from maquette.geometry._hash_field import HashField, HashFieldConfig
from maquette.geometry.base import Field, FieldSample
from maquette.geometry.density import gradient_of
from maquette.randomness import Moment
from maquette.registry import register


@register("geometry", "sdf-grid")
class SDFGrid(HashField, Field):
    """Positions -> hash encoding -> MLP -> signed distance (negative inside) and features.

    The surface is the zero level set; `density` chooses how a distance becomes a volume density:

    - "volsdf": sigma = Psi_b(-s) / b with the CDF Psi_b of a Laplace distribution of scale b.
    - "neus": the transmittance of a section is min(1, P(s_1) / P(s_0)), 1 - alpha of eq. 13, computed in logarithms. P
      is the logistic CDF of scale b; the distances s_0 and s_1 at its ends are estimated from s, its gradient and the
      direction. `anneal` (1 at the end) is the weight of the true cosine in that estimate.

    b is learnt in both cases.

    Source: Yariv et al. 2021 (VolSDF, arXiv 2106.12052), eq. 2, 3; Wang et al. 2021 (NeuS, arXiv 2106.10689), eq. 13.
    """

    @dataclass(frozen=True)
    class Config(HashFieldConfig):
        radius: Positive = 0.5  # of the initial sphere, scene units
        density: Literal["volsdf", "neus"] = "volsdf"  # signed distance -> density
        scale: Positive = 0.05  # initial b, scene units
        least_scale: Positive = 0.002  # lower bound of b, scene units
        gradients: Literal["analytic", "finite-difference"] = "finite-difference"  # of the distance, for normals
        gradient_epsilon: Positive = 0.01  # of finite differences, scene units
        anneal: FractionSchedule = Schedule.constant(1.0)  # neus: weight of the true cosine

        def __post_init__(self) -> None:
            super().__post_init__()
            if self.scale <= self.least_scale:
                raise ValueError(f"scale {self.scale:g} must exceed least_scale {self.least_scale:g}")

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return super().capabilities(config).giving(GEOMETRY_SDF, GEOMETRY_LAPLACIAN)

    def __init__(self, config: Config) -> None:
        super().__init__(config, 1 + config.channels)
        self.config = config
        nn.init.zeros_(self.mlp[-1].weight[0])  # type: ignore[index, arg-type]  # the initial surface is the sphere
        self.log_scale = nn.Parameter(torch.tensor(math.log(config.scale - config.least_scale)))
        self._anneal = 1.0

    @property
    def directional(self) -> bool:
        """Whether density depends on the direction, so that every query needs gradients."""
        return self.config.density == "neus"

    @property
    def scale(self) -> Tensor:
        """b, in scene units."""
        return self.log_scale.exp() + self.config.least_scale

    def prepare(self, moment: Moment) -> None:
        super().prepare(moment)
        self._anneal = self.config.anneal.at(moment)

    def groups(self) -> dict[str, list[nn.Parameter]]:
        return {**super().groups(), "scale": [self.log_scale]}

    def sdf(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """Signed distance in scene units, negative inside."""
        return self._distance(points, self.outputs(points))

    def _distance(self, points: Tensor, output: Tensor) -> Tensor:
        return points.norm(dim=-1) - self.config.radius + output[:, 0]

    def laplacian(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """Laplacian of the signed distance s, per scene unit, by finite differences.

        The sum over the axes e of (s(x + epsilon e) - 2 s(x) + s(x - epsilon e)) / epsilon^2.
        """
        epsilon = self.config.gradient_epsilon
        axes = torch.eye(3).to(points)
        offsets = epsilon * torch.cat([0 * axes[:1], axes, -axes])
        values = self.sdf((points[:, None] + offsets).reshape(-1, 3)).reshape(-1, len(offsets))
        return (values[:, 1:].sum(-1) - 6 * values[:, 0]) / epsilon**2

    def density(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        return self._density(self.sdf(points))

    def _density(self, s: Tensor) -> Tensor:
        b = self.scale
        if self.directional:  # density along a ray perpendicular to the surface: -P'(s) / P(s)
            return torch.sigmoid(-s / b) / b
        tail = 0.5 * torch.exp(-s.abs() / b)
        return torch.where(s > 0, tail, 1 - tail) / b

    def query(self, points: Float[Tensor, "n 3"], normals: bool = False) -> FieldSample:
        output = self.outputs(points)
        s = self._distance(points, output)
        gradient = None
        if normals or self.directional:
            epsilon = self.config.gradient_epsilon if self.config.gradients == "finite-difference" else None
            gradient = gradient_of(self.sdf, points, epsilon)
        normal = functional.normalize(gradient, dim=-1, eps=1e-6) if gradient is not None else None
        return FieldSample(self._density(s), output[:, 1:], normal, s, gradient)

    def section_density(
        self, sample: FieldSample, directions: Float[Tensor, "n 3"], deltas: Float[Tensor, " n"]
    ) -> Float[Tensor, " n"]:
        if not self.directional:
            return sample.density
        assert sample.sdf is not None and sample.gradient is not None
        cosine = (directions * sample.gradient).sum(-1)
        falling = functional.relu(0.5 - 0.5 * cosine) * (1 - self._anneal) + functional.relu(-cosine) * self._anneal
        half = falling * deltas / 2
        before, after = (functional.logsigmoid((sample.sdf + side * half) / self.scale) for side in (1, -1))
        return functional.relu(before - after) / deltas.clamp(min=1e-8)
