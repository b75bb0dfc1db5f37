"""The contract of a densification strategy, and the parameters of a cloud that it changes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor, nn

from maquette.geometry.base import ChangedRows, GaussianCloud
from maquette.kernels.splatting import Projected
from maquette.randomness import Moment


@dataclass(frozen=True, eq=False)
class CloudParameters:
    """Optimised parameters of n Gaussians, one row each; a strategy exchanges rows in place.

    Args:
        means: [n, 3], world frame.
        rotations: quaternions (w, x, y, z) of any length [n, 4].
        scales: logarithms of the standard deviations [n, 3], scene units.
        opacities: logits [n].
        features: degree 0 of the spherical harmonics of the material's inputs [n, 1, F].
        harmonics: the higher degrees [n, K - 1, F].
        flat: whether the Gaussians are disks.
        bound: half side of the scene's cube, the unit of sizes.
    """

    means: nn.Parameter
    rotations: nn.Parameter
    scales: nn.Parameter
    opacities: nn.Parameter
    features: nn.Parameter
    harmonics: nn.Parameter
    flat: bool
    bound: float

    def __len__(self) -> int:
        return len(self.means)

    @property
    def all(self) -> list[nn.Parameter]:
        """Every parameter."""
        return [self.means, self.rotations, self.scales, self.opacities, self.features, self.harmonics]

    @property
    def cloud(self) -> GaussianCloud:
        """The current Gaussians, without the view-dependent harmonics."""
        return GaussianCloud(
            self.means, self.rotations, self.scales.exp(), torch.sigmoid(self.opacities), self.features, self.flat
        )

    def select_rows(self, source: Int[Tensor, " m"]) -> None:
        """Select rows: Gaussian i of the new m Gaussians is a copy of Gaussian `source[i]`."""
        for parameter in self.all:
            parameter.data = parameter.data[source]


class Densification(nn.Module, ABC):
    """A strategy that adds, removes and relocates Gaussians between optimiser steps. Its state is its buffers."""

    @abstractmethod
    def adapt(
        self,
        cloud: CloudParameters,
        projections: Sequence[Projected],
        moment: Moment,
        learning_rates: Mapping[str, float],
    ) -> list[ChangedRows]:
        """Change the cloud after an optimiser step. Called without gradients.

        Args:
            cloud: parameters, changed in place.
            projections: of the Gaussians into each view of this step, after the backward pass.
            moment: the step.
            learning_rates: of this step, by parameter group ("means", "scales" ...).

        Returns:
            Parameters whose rows were exchanged, for the optimiser's moments.
        """

    def reset(self, count: int, device: torch.device) -> None:
        """Reset the statistics, for a new cloud of `count` Gaussians."""
