"""A cloud of Gaussians as a field: its density, and what it carries, at any point of space."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.kernels.backends import implementation
from maquette.kernels.precision import in_float32
from maquette.kernels.rotations import rotation_matrices

CUTOFF_DEVIATIONS = 3.0  # standard deviations beyond which a Gaussian counts as nothing


@torch.no_grad()
@in_float32
def gaussian_field(
    points: Float[Tensor, "m 3"],
    means: Float[Tensor, "n 3"],
    quaternions: Float[Tensor, "n 4"],
    scales: Float[Tensor, "n 3"],
    opacities: Float[Tensor, " n"],
    values: Float[Tensor, "n channels"],
    *,
    backend: str = "auto",
) -> tuple[Float[Tensor, " m"], Float[Tensor, "m channels"]]:
    """Density and mean values of a cloud at points.

        d(x) = sum of w_i(x)        v(x) = sum of w_i(x) v_i / d(x)
        w_i(x) = o_i exp(-1/2 |S_i^-1 R_i^T (x - m_i)|^2), 0 where the length is above 3

    No gradients: it serves conversion, not optimisation.

    Args:
        points: x, in scene units; float32.
        means, quaternions, scales, opacities: the cloud, as `maquette.kernels.splatting.project` takes it.
        values: v, of any number of channels.
        backend: "auto", "numba" or "reference".

    Returns:
        d [m], 0 or more, and v [m, channels], zeros where d is 0.

    Source: Tang et al. 2023 (DreamGaussian, arXiv 2309.16653), eq. 4.

    Example:
        >>> one = torch.ones(1, 3)
        >>> density, value = gaussian_field(0 * one, 0 * one, torch.ones(1, 4), one, one[:, 0] / 2, 7 * one)
        >>> density, value
        (tensor([0.5000]), tensor([[7., 7., 7.]]))
    """
    module = implementation("gaussian-field", backend, points.device.type)
    whiten = rotation_matrices(quaternions).mT / scales.clamp(min=1e-8)[:, :, None]  # S^-1 R^T
    extents = CUTOFF_DEVIATIONS * (rotation_matrices(quaternions).square() * scales.square()[:, None, :]).sum(-1).sqrt()
    return module.evaluate(points, means, whiten, extents, opacities, values)
