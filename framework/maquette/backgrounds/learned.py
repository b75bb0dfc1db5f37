"""A learned background: colour or latents as a smooth function of direction."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from maquette.annotations import Channels, Count, CountOrNone, Fraction
from maquette.backgrounds.base import Background, uniform_by_group
from maquette.config.capabilities import Capabilities
from maquette.randomness import Draws
from maquette.registry import register


@register("background", "learned")
class Learned(Background):
    """A small MLP on a sinusoidal encoding of the direction; at random replaced by a solid colour.

    With a number of channels other than 3 it produces latents.

    Source: Poole et al. 2022 (DreamFusion, arXiv 2209.14988), app. A.2; the random colour: threestudio's augmentation;
    latents: Metzer et al. 2022 (Latent-NeRF, arXiv 2211.07600).
    """

    @dataclass(frozen=True)
    class Config:
        frequencies: CountOrNone = 3  # octaves of the direction's encoding
        width: Channels = 32  # hidden units
        random_solid: Fraction = 0.0  # probability that a training step has a random solid colour instead
        channels: Channels = 3  # 3: colour; another number: that many latent channels
        views: Count = 1  # consecutive pictures with one random colour; for multi-view priors their number of views

        def __post_init__(self) -> None:
            if self.channels != 3 and self.random_solid > 0:
                raise ValueError("a random colour cannot stand behind latents; set random_solid: 0")

    config: Config

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return Capabilities(latent_channels=0 if config.channels == 3 else config.channels)

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        inputs = 3 + 6 * config.frequencies
        self.mlp = nn.Sequential(nn.Linear(inputs, config.width), nn.ReLU(), nn.Linear(config.width, config.channels))

    def forward(self, directions: Float[Tensor, "B H W 3"], draws: Draws | None) -> Float[Tensor, "B H W 3"]:
        if draws is not None and draws.uniform("background-kind", 1).item() < self.config.random_solid:
            color = uniform_by_group(draws, len(directions), 3, self.config.views).to(directions)
            return color[:, None, None, :].expand_as(directions)
        return torch.sigmoid(self.latents(directions, draws))

    def latents(self, directions: Float[Tensor, "B H W 3"], draws: Draws | None) -> Float[Tensor, "B H W C"]:
        waves = [directions]
        for octave in range(self.config.frequencies):
            waves += [torch.sin(2.0**octave * directions), torch.cos(2.0**octave * directions)]
        return self.mlp(torch.cat(waves, dim=-1)).to(directions.dtype)
