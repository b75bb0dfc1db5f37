"""Base of fields on a hash grid: the encoding, a small MLP, progressive levels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor, nn

from maquette.annotations import Channels, Count, CountOrNone, Positive, Range
from maquette.config.schedules import CountSchedule, Schedule
from maquette.geometry._mlp import mlp
from maquette.kernels.hash_grid import HashGridSpec, hash_grid
from maquette.randomness import Moment


@dataclass(frozen=True)
class HashFieldConfig:
    """Settings of the hash encoding and of the MLP that decodes it."""

    bound: Positive = 1.0  # half side of the cube that holds the object, scene units
    levels: Annotated[int, Range(1, 64)] = 16  # resolutions of the encoding, L
    features_per_level: Annotated[int, Range(1, 32)] = 2  # F
    log2_table_size: Annotated[int, Range(1, 30)] = 19  # log2 T
    base_resolution: Count = 16  # N_min
    finest_resolution: Count = 2048  # N_max
    active_levels: CountSchedule = Schedule.constant(64)  # levels in use, rounded down; growing: coarse to fine
    width: Channels = 64  # of the MLP's hidden layers
    layers: CountOrNone = 1  # hidden layers of the MLP
    channels: Channels = 3  # features for the material
    backend: str = "auto"  # of the hash-grid kernel

    def __post_init__(self) -> None:
        _ = self.spec  # raises ValueError

    @property
    def spec(self) -> HashGridSpec:
        """The hash encoding."""
        return HashGridSpec(
            self.levels, self.features_per_level, self.log2_table_size, self.base_resolution, self.finest_resolution
        )


class HashField(nn.Module):
    """Positions -> multiresolution hash encoding -> MLP -> `outputs` numbers.

    Source: Müller et al. 2022 (instant-NGP, arXiv 2201.05989); its use for distillation: Lin et al. 2022 (Magic3D,
    arXiv 2211.10440), sec. 4.1.
    """

    def __init__(self, config: HashFieldConfig, outputs: int) -> None:
        super().__init__()
        self.settings, self.bound, self.channels = config, config.bound, config.channels
        self.spec = config.spec
        self.table = nn.Parameter(torch.empty(self.spec.rows, self.spec.features_per_level).uniform_(-1e-4, 1e-4))
        self.mlp = mlp(self.spec.channels, config.width, config.layers, outputs)
        self._active = self.spec.levels

    def prepare(self, moment: Moment) -> None:
        """Set the levels in use at this step."""
        self._active = max(1, min(self.spec.levels, int(self.settings.active_levels.at(moment))))

    def groups(self) -> dict[str, list[nn.Parameter]]:
        """Parameters by the name under which a stage gives them a learning rate."""
        return {"geometry": [self.table], "network": list(self.mlp.parameters())}

    def outputs(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, "n O"]:
        """Outputs of the MLP at `points`, not activated."""
        unit = (points / self.bound + 1) / 2
        encoded = hash_grid(unit, self.table, self.spec, active_levels=self._active, backend=self.settings.backend)
        return self.mlp(encoded)
