"""The diffuse material of DreamFusion, lit by a point light."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from maquette.annotations import Fraction, NonNegative
from maquette.config.capabilities import Capabilities
from maquette.config.schedules import FractionSchedule, Schedule
from maquette.materials.base import Material, Shading, ShadingPoints
from maquette.randomness import Moment
from maquette.registry import register


@register("material", "diffuse")
class Diffuse(Material):
    """Lambertian albedo under a point light: c = rho (l_a + l_d max(0, n . (l - x) / |l - x|)).

    At first the light is only ambient. Later a step is lit with some probability, and some of the lit steps replace the
    albedo by white, so that texture cannot replace shape.

    Source: Poole et al. 2022 (DreamFusion, arXiv 2209.14988), eq. 4 and app. A.2.
    """

    @dataclass(frozen=True)
    class Config:
        ambient: NonNegative = 0.1  # l_a of a lit step
        diffuse: NonNegative = 0.9  # l_d of a lit step
        lit: FractionSchedule = Schedule(((0, 0.0), ("10%", 0.75)), "step")  # probability that a step is lit
        textureless: Fraction = 0.5  # probability that a lit step has white albedo

    config: Config

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return Capabilities(feature_channels=3)

    def shading(self, moment: Moment) -> Shading:
        lit, bare = moment.draws.uniform("shading", 2).tolist()
        if lit >= self.config.lit.at(moment):
            return Shading()
        return Shading(self.config.ambient, self.config.diffuse, bare < self.config.textureless)

    def albedo(self, features: Float[Tensor, "n F"]) -> Float[Tensor, "n 3"]:
        return torch.sigmoid(features[:, :3])

    def shade(self, points: ShadingPoints, shading: Shading) -> Float[Tensor, "n 3"]:
        albedo = self.albedo(points.features)
        if shading.textureless:
            albedo = torch.ones_like(albedo)
        if shading.diffuse == 0 or points.normals is None:
            return albedo * shading.ambient
        to_light = normalize(points.lights - points.positions, dim=-1)
        cosine = (points.normals * to_light).sum(-1, keepdim=True).clamp(min=0)
        return (albedo * (shading.ambient + shading.diffuse * cosine)).clamp(max=1.0)
