"""A density and feature field: multiresolution hash encoding and a small MLP."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from maquette.config.schedules import Schedule
from maquette.geometry.base import (
    Activation,
    Blob,
    Field,
    FieldSample,
    Normals,
    activate,
    analytic_normal,
    blob,
    finite_difference_normal,
)
from maquette.kernels.hash_grid import HashGridSpec, hash_grid
from maquette.registry import register


@register("geometry", "hash-grid")
class HashGrid(Field):
    """A hash-grid volume: positions -> hash encoding -> MLP -> density and features.

    Source: Müller et al. 2022 (instant-NGP, arXiv 2201.05989); its use for distillation: Lin et al. 2022 (Magic3D,
    arXiv 2211.10440), sec. 4.1.
    """

    @dataclass(frozen=True)
    class Config:
        bound: float = 1.0  # half side of the cube that holds the object, scene units
        levels: int = 16  # L
        features_per_level: int = 2  # F
        log2_table_size: int = 19  # log2 T
        base_resolution: int = 16  # N_min
        finest_resolution: int = 2048  # N_max
        active_levels: Schedule = Schedule.constant(64)  # coarse to fine: levels in use, rounded down
        width: int = 64  # MLP width
        layers: int = 1  # hidden layers
        channels: int = 3  # features for the material
        activation: Activation = "softplus"  # raw number -> density
        blob: Blob = "magic3d"  # initial shape
        blob_strength: float = 10.0  # lambda_tau
        blob_radius: float = 0.5  # sigma_tau, scene units
        normals: Normals = "analytic"
        normal_epsilon: float = 0.01  # of finite differences, scene units
        backend: str = "auto"  # of the hash-grid kernel

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config, self.bound, self.channels = config, config.bound, config.channels
        self.spec = HashGridSpec(
            config.levels, config.features_per_level, config.log2_table_size, config.base_resolution,
            config.finest_resolution,
        )  # fmt: skip
        self.table = nn.Parameter(torch.empty(self.spec.rows, self.spec.features_per_level).uniform_(-1e-4, 1e-4))
        outputs = 1 + config.channels + (3 if config.normals == "predicted" else 0)
        widths = [self.spec.channels, *[config.width] * config.layers]
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), nn.ReLU(inplace=True)]
        self.mlp = nn.Sequential(*layers, nn.Linear(widths[-1], outputs))
        nn.init.zeros_(self.mlp[-1].bias)  # type: ignore[arg-type]
        self._active = self.spec.levels

    def prepare(self, step: int, total: int) -> None:
        self._active = max(1, min(self.spec.levels, int(self.config.active_levels(step, total))))

    def groups(self) -> dict[str, list[nn.Parameter]]:
        return {"geometry": [self.table], "network": list(self.mlp.parameters())}

    def _raw(self, points: Float[Tensor, "n 3"]) -> tuple[Tensor, Tensor]:
        unit = (points / self.bound + 1) / 2
        encoded = hash_grid(unit, self.table, self.spec, active_levels=self._active, backend=self.config.backend)
        output = self.mlp(encoded)
        c = self.config
        density = activate(output[:, 0] + blob(points, c.blob, c.blob_strength, c.blob_radius), c.activation)
        return density, output

    def density(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        return self._raw(points)[0]

    def query(self, points: Float[Tensor, "n 3"], normals: bool = False) -> FieldSample:
        c = self.config
        density, output = self._raw(points)
        normal = None
        if normals and c.normals == "predicted":
            normal = functional.normalize(output[:, 1 + c.channels :], dim=-1, eps=1e-6)
        elif normals and c.normals == "analytic":
            normal = analytic_normal(self.density, points)
        elif normals:
            normal = finite_difference_normal(self.density, points, c.normal_epsilon)
        return FieldSample(density, output[:, 1 : 1 + c.channels], normal)
