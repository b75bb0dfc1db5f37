"""A density and feature field: multiresolution hash encoding and a small MLP."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from maquette.annotations import Positive
from maquette.geometry._hash_field import HashField, HashFieldConfig
from maquette.geometry.base import Field, FieldSample
from maquette.geometry.density import DensityConfig, Normals, density_normal, density_of
from maquette.registry import register


@register("geometry", "hash-grid")
class HashGrid(HashField, Field):
    """A density field: positions -> multiresolution hash encoding -> MLP -> density and features."""

    @dataclass(frozen=True)
    class Config(DensityConfig, HashFieldConfig):
        normals: Normals = "analytic"  # how normals are computed
        normal_epsilon: Positive = 0.01  # of finite differences, scene units

    def __init__(self, config: Config) -> None:
        super().__init__(config, 1 + config.channels + (3 if config.normals == "predicted" else 0))
        self.config = config

    def _raw(self, points: Float[Tensor, "n 3"]) -> tuple[Tensor, Tensor]:
        output = self.outputs(points)
        return density_of(output[:, 0], points, self.config), output

    def density(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        return self._raw(points)[0]

    def query(self, points: Float[Tensor, "n 3"], normals: bool = False) -> FieldSample:
        c = self.config
        density, output = self._raw(points)
        normal = None
        if normals and c.normals == "predicted":
            normal = functional.normalize(output[:, 1 + c.channels :], dim=-1, eps=1e-6)
        elif normals:
            normal = density_normal(self.density, points, c)
        return FieldSample(density, output[:, 1 : 1 + c.channels], normal)
