"""Trainable copies of the closed-form priors: a learned normal distribution, and a learned set of pictures."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from maquette.diffusion.noise import DiscreteSchedule
from maquette.priors.base import TrainableCopy
from maquette.priors.oracle.closed_form import expected_noise
from maquette.priors.oracle.posterior import log_likelihoods


class LearnedGaussian(TrainableCopy):
    """The exact denoiser of pixels that are normal about mean(condition) + shift + L pose, with a learned deviation.

    Shift, L and deviation are learned per colour channel.
    """

    def __init__(self, schedule: DiscreteSchedule, deviation: float) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(3, dtype=schedule.alphas_cumprod.dtype))
        self.turn = nn.Parameter(torch.zeros(3, 16, dtype=schedule.alphas_cumprod.dtype))
        self.deviation = nn.Parameter(torch.full_like(self.shift, deviation))
        self._alpha_sigma = schedule.alpha_sigma

    def forward(
        self,
        noisy: Float[Tensor, "B 3 H W"],
        t: Int[Tensor, " B"],
        condition: Float[Tensor, "B 3 1 1"],
        pose: Float[Tensor, "B 16"],
    ) -> Float[Tensor, "B 3 H W"]:
        alpha, sigma = self._alpha_sigma(t)
        mean = condition + (self.shift + pose.to(self.turn) @ self.turn.T)[:, :, None, None]
        return expected_noise(noisy, mean, alpha, sigma, self.deviation[:, None, None])


class LearnedPictures(TrainableCopy):
    """The exact denoiser of a set of learned pictures with a fixed standard deviation `spread` per pixel.

    The camera adds M pose to the log probabilities of the pictures, with M learned. Noisy pictures are independent.
    """

    def __init__(self, schedule: DiscreteSchedule, pictures: Float[Tensor, "N 3 h w"], spread: float) -> None:
        super().__init__()
        self.pictures = nn.Parameter(pictures.clone())
        self.turn = nn.Parameter(torch.zeros(len(pictures), 16, dtype=torch.float64, device=pictures.device))
        self._alpha_sigma, self._spread = schedule.alpha_sigma, spread

    def forward(
        self,
        noisy: Float[Tensor, "B 3 h w"],
        t: Int[Tensor, " B"],
        condition: Float[Tensor, "B N"],
        pose: Float[Tensor, "B 16"],
    ) -> Float[Tensor, "B 3 h w"]:
        alpha, sigma = self._alpha_sigma(t.to(self.pictures.device))
        clean = self.pictures.flatten(1)
        variance = sigma**2 + (alpha * self._spread) ** 2
        likelihood = log_likelihoods(noisy.flatten(1), clean, alpha.flatten(), variance.flatten())
        log_posterior = condition.log() + pose.to(self.turn) @ self.turn.T + likelihood
        mean = (log_posterior.softmax(dim=1).to(clean) @ clean).view_as(noisy)
        return expected_noise(noisy, mean, alpha, sigma, self._spread)
