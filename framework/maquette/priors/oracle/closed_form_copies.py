"""Trainable copies of the priors without a network: a normal distribution, and a set of pictures, that learn."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from maquette.diffusion.noise import DiscreteSchedule
from maquette.priors.base import TrainableCopy
from maquette.priors.oracle.closed_form import implied_noise
from maquette.priors.oracle.posterior import log_likelihoods


class LearnedGaussian(TrainableCopy):
    """The exact denoiser of pixels that are normal about mean(condition) + shift + L pose, with a learned deviation.

    Shift, L and deviation are per colour. What it learns of pictures whose pixels are normal is exact.
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
        return implied_noise(noisy, mean, alpha, sigma, self.deviation[:, None, None])


class LearnedPictures(TrainableCopy):
    """The exact denoiser of a set of pictures, blurred by a fixed spread, each of which is learned.

    The camera adds M pose to the log odds of the pictures. Consecutive noisy pictures are taken each for itself.
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
        odds = condition.log() + pose.to(self.turn) @ self.turn.T + likelihood
        mean = (odds.softmax(dim=1).to(clean) @ clean).view_as(noisy)
        return implied_noise(noisy, mean, alpha, sigma, self._spread)
