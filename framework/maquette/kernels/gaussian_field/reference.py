"""The definition, in plain torch: all Gaussians at all points, some points at a time."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

REACH_SQUARED = 9.0
BLOCK = 2**22  # pairs of points and Gaussians at a time


def evaluate(
    points: Float[Tensor, "m 3"],
    means: Float[Tensor, "n 3"],
    whiten: Float[Tensor, "n 3 3"],
    extents: Float[Tensor, "n 3"],
    opacities: Float[Tensor, " n"],
    values: Float[Tensor, "n channels"],
) -> tuple[Float[Tensor, " m"], Float[Tensor, "m channels"]]:
    """As the public function; `whiten` is S^-1 R^T, `extents` the half sides of each Gaussian's box."""
    densities, means_of = [], []
    for some in points.split(max(BLOCK // max(len(means), 1), 1)):
        local = torch.einsum("nij,mnj->mni", whiten, some[:, None] - means)
        squared = local.square().sum(-1)
        weights = torch.where(squared <= REACH_SQUARED, opacities * torch.exp(-squared / 2), 0.0)
        density = weights.sum(-1)
        densities.append(density)
        means_of.append(weights @ values / density.clamp(min=1e-30)[:, None])
    if not densities:
        return points.new_zeros(0), points.new_zeros(0, values.shape[1])
    return torch.cat(densities), torch.cat(means_of)
