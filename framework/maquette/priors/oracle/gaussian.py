"""A closed-form prior: the exact denoiser of pictures with independent normal pixels about one colour per text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from maquette.annotations import NonNegative
from maquette.cameras.base import Cameras
from maquette.config.capabilities import Capabilities, trainable_copy
from maquette.config.parts import NoiseSpec, part_field
from maquette.diffusion.noise import TIMESTEPS, DiscreteSchedule, replaced_levels
from maquette.diffusion.noise.cosine import cosine_levels
from maquette.errors import ConfigError
from maquette.images.pixels import to_pixels, to_rgb
from maquette.priors.base import CopyKind, Prior, Request
from maquette.priors.oracle.closed_form import EXACT_DTYPES, expected_noise
from maquette.priors.oracle.closed_form_copies import LearnedGaussian
from maquette.priors.text.conditions import TextConditions, ViewPrompts, text_capabilities
from maquette.registry import register

GREY = (0.5, 0.5, 0.5)


@register("prior", "gaussian")
class Gaussian(Prior):
    """The exact denoiser of pictures x_0 ~ N(mean(text), deviation^2), pixels independent, of any size.

    Its prediction sigma (z - alpha mean) / (sigma^2 + alpha^2 deviation^2) is linear in z and in the mean, so the fixed
    points of objectives are known: score distillation converges to the mean, and guidance of scale s moves that to
    mean_c + (s - 1) (mean_c - mean_u).

    Example:
        >>> from maquette.config.capabilities import CONDITION, bare, within
        >>> prior = Gaussian(Gaussian.Config(means={"red": (1, 0, 0), "red, back view": (0, 0, 1)}))
        >>> sorted(bare(within(CONDITION, prior.capabilities(prior.config).gives)))
        ['empty', 'front', 'interpolated', 'positive', 'side', 'unconditional', 'viewless']
    """

    @dataclass(frozen=True)
    class Config:
        means: dict[str, tuple[float, float, float]]  # text -> RGB in [0, 1]; "" without one is grey
        deviation: NonNegative = 0.5  # of each pixel from the mean, in units where black is -1 and white is 1
        view_prompts: ViewPrompts = field(default_factory=ViewPrompts)  # a prompt with one may have its own mean
        noise: NoiseSpec = part_field("noise", "cosine")  # alpha and sigma of each timestep
        dtype: Literal["float32", "float64"] = "float32"

    noise_schedule: DiscreteSchedule

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return text_capabilities().giving(trainable_copy("copy"))

    def __init__(self, config: Config) -> None:
        self.config = config
        self.device = torch.device("cpu")
        self.dtype = EXACT_DTYPES[config.dtype]
        self.noise_schedule = DiscreteSchedule(replaced_levels(cosine_levels(TIMESTEPS), config.noise).to(self.dtype))

    def encode(self, rgb: Float[Tensor, "B H W 3"]) -> Float[Tensor, "B 3 H W"]:
        return to_pixels(rgb.to(self.device, self.dtype))

    def decode(self, latents: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B H W 3"]:
        return to_rgb(latents)

    def condition(self, request: Request) -> TextConditions:
        """The mean colours of a prompt: [3, 1, 1] for each view, for the negative prompt and for the empty text.

        A prompt with a mean for each view and none of its own has the average of these as its "viewless" condition.

        Raises:
            ConfigError: a text has no mean.
        """
        view_prompts, prompt = self.config.view_prompts, request.prompt
        texts = {view: view_prompts.text(prompt, view) for view in view_prompts.names}
        by_view = {
            view: self._mean(text if text in self.config.means else prompt, "prompt") for view, text in texts.items()
        }
        negative = self._mean(request.negative_prompt, "negative_prompt")
        has_mean = prompt in self.config.means
        viewless = self._mean(prompt, "prompt") if has_mean else torch.stack(list(by_view.values())).mean(dim=0)
        return TextConditions(by_view, viewless, negative, self._mean("", "negative_prompt"), view_prompts)

    def _mean(self, text: str, key: str) -> Float[Tensor, "3 1 1"]:
        means = {"": GREY, **self.config.means}
        if text not in means:
            available = ", ".join(repr(name) for name in means)
            raise ConfigError(f"the prior has no mean for {text!r}", key=key, hint=f"prior.means has {available}")
        return torch.tensor(means[text], dtype=self.dtype).view(3, 1, 1) * 2 - 1

    @torch.no_grad()
    def predict(
        self,
        noisy: Float[Tensor, "B 3 H W"],
        t: Int[Tensor, " B"],
        conditions: Mapping[str, Float[Tensor, "B 3 1 1"]],
        cameras: Cameras,
    ) -> dict[str, Float[Tensor, "B 3 H W"]]:
        alpha, sigma = self.noise_schedule.alpha_sigma(t)
        return {
            name: expected_noise(noisy, mean, alpha, sigma, self.config.deviation) for name, mean in conditions.items()
        }

    def trainable_copy(self, kind: CopyKind, rank: int) -> LearnedGaussian:
        return LearnedGaussian(self.noise_schedule, self.config.deviation)
