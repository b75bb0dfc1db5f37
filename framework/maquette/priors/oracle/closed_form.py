"""What the priors without a network share: noise levels, and the noise that a Gaussian cloud of pictures implies."""

from __future__ import annotations

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

Levels = Literal["cosine", "scaled-linear"]
DTYPES = {"float32": torch.float32, "float64": torch.float64}
STEPS = 1000  # T


def alphas_cumprod(levels: Levels) -> Float[Tensor, " T"]:
    """The cumulated alphas of 1,000 training steps, float64.

    "cosine" is that of pixel models (beta at most 0.999), "scaled-linear" that of Stable Diffusion.

    Source: Nichol & Dhariwal 2021 (arXiv 2102.09672), eq. 17, offset 0.008; Rombach et al. 2022 (arXiv 2112.10752):
    roots of beta in even steps from 0.00085 to 0.012.

    Example:
        >>> alphas_cumprod("scaled-linear")[[0, -1]]
        tensor([0.9991, 0.0047], dtype=torch.float64)
    """
    if levels == "scaled-linear":
        betas = torch.linspace(math.sqrt(0.00085), math.sqrt(0.012), STEPS, dtype=torch.float64).square()
    else:
        share = torch.arange(STEPS + 1, dtype=torch.float64) / STEPS
        whole = torch.cos((share + 0.008) / 1.008 * math.pi / 2).square()
        betas = (1 - whole[1:] / whole[:-1]).clamp(max=0.999)
    return (1 - betas).cumprod(0)


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


def to_pixels(rgb: Float[Tensor, "B H W 3"]) -> Float[Tensor, "B 3 H W"]:
    """Pictures in [0, 1] -> what pixel-space models denoise, in [-1, 1]."""
    return rgb.permute(0, 3, 1, 2) * 2 - 1


def to_rgb(pixels: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B H W 3"]:
    """The inverse of `to_pixels`, cut to [0, 1]."""
    return (pixels / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1)
