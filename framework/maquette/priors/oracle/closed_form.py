"""Noise implied by a Gaussian about a mean: what the priors without a network predict."""

from __future__ import annotations

import torch
from torch import Tensor

DTYPES = {"float32": torch.float32, "float64": torch.float64}


def implied_noise(noisy: Tensor, mean: Tensor, alpha: Tensor, sigma: Tensor, deviation: float | Tensor) -> Tensor:
    """The expected noise in `noisy` = alpha x + sigma e when x is normal about `mean`.

    sigma (z - alpha mean) / (sigma^2 + alpha^2 deviation^2), elementwise. With the posterior mean of a mixture's
    centres for `mean` it is the expected noise under a mixture of such clouds.

    Args:
        noisy, mean: pictures or anything that broadcasts.
        alpha, sigma: the noise level, broadcasting to them.
        deviation: standard deviation of each pixel; 0: x is `mean`.
    """
    return sigma * (noisy - alpha * mean) / (sigma**2 + (alpha * deviation) ** 2)
