"""Noise schedules: alpha and sigma of each timestep, and the algebra between noise, clean picture and model output.

A noise process, which may stand in the place of a prior's own, is a part of the kind `noise`, a file of this package or
of a plugin.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from maquette.config.parts import PartSpec

Prediction = Literal["epsilon", "v_prediction", "sample"]
"""Prediction type of a model: the noise, v = alpha epsilon - sigma z_0, or the clean picture z_0."""

ALMOST_ZERO = 2.0**-24
"""alpha^2 at the end of a schedule whose terminal signal-to-noise ratio is zero, so that it can be divided by.

Source: diffusers, EulerDiscreteScheduler with rescale_betas_zero_snr.
"""

TIMESTEPS = 1000  # T of the priors that bring no table


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

    def under(self, process: PartSpec | None) -> DiscreteSchedule:
        """The schedule with the levels of a part of the kind `noise`; None: as it is."""
        return DiscreteSchedule(replaced_levels(self.alphas_cumprod, process), self.prediction) if process else self

    @property
    def timesteps(self) -> int:  # type: ignore[override]
        """T."""
        return len(self.alphas_cumprod)

    def alpha_sigma(self, t: Shaped[Tensor, " B"]) -> tuple[Float[Tensor, "B 1 1 1"], Float[Tensor, "B 1 1 1"]]:
        alpha_bar = self.alphas_cumprod[t][:, None, None, None]
        return alpha_bar.sqrt(), (1 - alpha_bar).sqrt()


def replaced_levels(own: Float[Tensor, " T"], process: PartSpec | None) -> Float[Tensor, " T"]:
    """alpha^2 of every timestep under a noise process, with ALMOST_ZERO in place of 0; None: a prior's own."""
    table = own if process is None else process.build().alphas_cumprod(own)
    return torch.where(table == 0, ALMOST_ZERO, table)


def schedule_of(scheduler: Any, device: torch.device) -> DiscreteSchedule:
    """The noise schedule of a diffusers scheduler, on a device, with ALMOST_ZERO in place of an alpha^2 of 0."""
    table = replaced_levels(scheduler.alphas_cumprod, None)
    return DiscreteSchedule(table.to(device), scheduler.config.prediction_type)
