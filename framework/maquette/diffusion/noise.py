"""Noise schedules: alpha and sigma of each timestep, and the algebra between noise, clean picture and model output."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

Prediction = Literal["epsilon", "v_prediction", "sample"]
"""Prediction type of a model: the noise, v = alpha epsilon - sigma z_0, or the clean picture z_0."""


ScheduleName = Literal["cosine", "scaled-linear"]
"""Names of noise schedules: that of pixel-space models, and that of Stable Diffusion."""

ALMOST_ZERO = 2.0**-24
"""alpha^2 at the end of a schedule whose terminal signal-to-noise ratio is zero, so that it can be divided by.

Source: diffusers, EulerDiscreteScheduler with rescale_betas_zero_snr.
"""
TIMESTEPS = 1000  # T of the named schedules
SCALED_LINEAR_BETAS = (0.00085, 0.012)  # first and last beta of Stable Diffusion and the models that descend from it


class NoiseSchedule(ABC):
    """The noise process z_t = alpha_t z_0 + sigma_t epsilon that a model was trained on.

    A subclass gives alpha and sigma, of whole timesteps or of continuous ones (flow matching); the algebra is common.

    Attributes:
        timesteps: T, the number of timesteps; t lies in [0, T).
        prediction: type of the model output.
    """

    timesteps: int
    prediction: Prediction

    @abstractmethod
    def alpha_sigma(self, t: Shaped[Tensor, " B"]) -> tuple[Float[Tensor, "B 1 1 1"], Float[Tensor, "B 1 1 1"]]:
        """(alpha_t, sigma_t) of B timesteps."""

    def add(
        self, clean: Float[Tensor, "B C h w"], noise: Float[Tensor, "B C h w"], t: Shaped[Tensor, " B"]
    ) -> Float[Tensor, "B C h w"]:
        """z_t = alpha_t z_0 + sigma_t epsilon."""
        alpha, sigma = self.alpha_sigma(t)
        return alpha * clean + sigma * noise

    def epsilon(
        self, output: Float[Tensor, "B C h w"], noisy: Float[Tensor, "B C h w"], t: Shaped[Tensor, " B"]
    ) -> Float[Tensor, "B C h w"]:
        """Convert a model output to a noise prediction.

        With v = alpha epsilon - sigma z_0, epsilon = alpha v + sigma z_t; with z_0 itself, (z_t - alpha z_0) / sigma.

        Source: Salimans & Ho 2022 (arXiv 2202.00512), app. D.
        """
        alpha, sigma = self.alpha_sigma(t)
        if self.prediction == "v_prediction":
            return alpha * output + sigma * noisy
        if self.prediction == "sample":
            return (noisy - alpha * output) / sigma
        return output

    def target(
        self, clean: Float[Tensor, "B C h w"], noise: Float[Tensor, "B C h w"], t: Shaped[Tensor, " B"]
    ) -> Float[Tensor, "B C h w"]:
        """The training target of a model of this `prediction` for z_t = alpha z_0 + sigma epsilon; see `epsilon`."""
        alpha, sigma = self.alpha_sigma(t)
        if self.prediction == "v_prediction":
            return alpha * noise - sigma * clean
        return clean if self.prediction == "sample" else noise


@dataclass(frozen=True, eq=False)
class DiscreteSchedule(NoiseSchedule):
    """A variance-preserving schedule of T whole timesteps: alpha^2 from a table, sigma^2 = 1 - alpha^2.

    Args:
        alphas_cumprod: alpha_t^2 of every timestep, decreasing, as in diffusers.
        prediction: what the model predicts.

    Example:
        >>> alpha, sigma = DiscreteSchedule(torch.tensor([0.64, 0.36])).alpha_sigma(torch.tensor([1]))
        >>> round(float(alpha), 2), round(float(sigma), 2)
        (0.6, 0.8)
    """

    alphas_cumprod: Float[Tensor, " T"]
    prediction: Prediction = "epsilon"

    def __post_init__(self) -> None:
        if self.prediction not in get_args(Prediction):
            raise ValueError(f"a prediction type is one of {', '.join(get_args(Prediction))}, not {self.prediction!r}")

    def to(self, device: torch.device) -> DiscreteSchedule:
        """The same schedule on a device."""
        return DiscreteSchedule(self.alphas_cumprod.to(device), self.prediction)

    @property
    def timesteps(self) -> int:  # type: ignore[override]
        """T."""
        return len(self.alphas_cumprod)

    def alpha_sigma(self, t: Shaped[Tensor, " B"]) -> tuple[Float[Tensor, "B 1 1 1"], Float[Tensor, "B 1 1 1"]]:
        alpha_bar = self.alphas_cumprod[t][:, None, None, None]
        return alpha_bar.sqrt(), (1 - alpha_bar).sqrt()


def alphas_cumprod(name: ScheduleName) -> Float[Tensor, " T"]:
    """The cumulative products alpha_t^2 of 1,000 timesteps, float64.

    "cosine" is the schedule of pixel-space models (beta at most 0.999), "scaled-linear" that of Stable Diffusion.

    Source: Nichol & Dhariwal 2021 (arXiv 2102.09672), eq. 17, offset 0.008; Rombach et al. 2022 (arXiv 2112.10752):
    roots of beta in even steps from SCALED_LINEAR_BETAS.

    Example:
        >>> alphas_cumprod("scaled-linear")[[0, -1]]
        tensor([0.9991, 0.0047], dtype=torch.float64)
    """
    if name == "scaled-linear":
        first, last = (math.sqrt(beta) for beta in SCALED_LINEAR_BETAS)
        betas = torch.linspace(first, last, TIMESTEPS, dtype=torch.float64).square()
    else:
        fraction = torch.arange(TIMESTEPS + 1, dtype=torch.float64) / TIMESTEPS
        alpha_bar = torch.cos((fraction + 0.008) / 1.008 * math.pi / 2).square()
        betas = (1 - alpha_bar[1:] / alpha_bar[:-1]).clamp(max=0.999)
    return (1 - betas).cumprod(0)


def schedule_of(scheduler: Any, device: torch.device) -> DiscreteSchedule:
    """The noise schedule of a diffusers scheduler, on a device, with ALMOST_ZERO in place of an alpha^2 of 0."""
    table = torch.where(scheduler.alphas_cumprod == 0, ALMOST_ZERO, scheduler.alphas_cumprod)
    return DiscreteSchedule(table.to(device), scheduler.config.prediction_type)
