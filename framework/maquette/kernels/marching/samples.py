"""The packed samples that marching hands to fields and compositing."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class RaySamples:
    """Pieces of rays, all those of ray 0 first, then those of ray 1, ...; near before far within a ray.

    Attributes:
        t_start: where each piece begins, in units of the ray's direction.
        t_end: where it ends; t_end > t_start.
        ray_start: first sample of each ray, then the number of samples.
        ray_index: ray of each sample.
    """

    t_start: Float[Tensor, " n"]
    t_end: Float[Tensor, " n"]
    ray_start: Int[Tensor, " rays_plus_one"]
    ray_index: Int[Tensor, " n"]

    def __len__(self) -> int:
        return len(self.t_start)

    @property
    def rays(self) -> int:
        return len(self.ray_start) - 1

    @property
    def deltas(self) -> Float[Tensor, " n"]:
        """Length of each piece, as `composite` takes it."""
        return self.t_end - self.t_start

    @property
    def t_mid(self) -> Float[Tensor, " n"]:
        """Middle of each piece."""
        return (self.t_start + self.t_end) / 2

    def points(self, origins: Float[Tensor, "rays 3"], directions: Float[Tensor, "rays 3"]) -> Float[Tensor, "n 3"]:
        """Positions of the middles; differentiable in the rays."""
        return origins[self.ray_index] + self.t_mid[:, None] * directions[self.ray_index]
