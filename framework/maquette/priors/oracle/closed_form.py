"""The expected noise in a noisy picture under a normal distribution, which the closed-form priors predict."""

from __future__ import annotations

import torch
from torch import Tensor

EXACT_DTYPES = {"float32": torch.float32, "float64": torch.float64}


def expected_noise(noisy: Tensor, mean: Tensor, alpha: Tensor, sigma: Tensor, deviation: float | Tensor) -> Tensor:
    """E[e | z] for z = alpha x + sigma e, with x normal about `mean`.

    sigma (z - alpha mean) / (sigma^2 + alpha^2 deviation^2), elementwise. With the posterior mean of the centres of
    a mixture of such normals for `mean`, it is the expected noise under the mixture.

    Args:
        noisy, mean: z and the mean; tensors that broadcast.
        alpha, sigma: of the timestep, broadcasting to them.
        deviation: standard deviation of each pixel; 0: x is `mean`.
    """
    return sigma * (noisy - alpha * mean) / (sigma**2 + (alpha * deviation) ** 2)
