"""Data set of nano objects from four sides, for multi-view learners."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from maquette.annotations import Fraction
from maquette.datasets.base import CaptionedGroups
from maquette.randomness import Draws
from maquette.registry import register
from maquette_nano import world
from maquette_nano.renders import VIEWS, RendersConfig, Views, load_views, random_background_colors

GROUP = 4  # views per group: the first four of an object, at right angles and one elevation


@register("dataset", "nano-groups")
class NanoGroups:
    """Captioned nano objects, each from four sides at right angles, over one background.

    The images are those of `nano-world`, from the same cache. Captions have no view words.
    """

    @dataclass(frozen=True)
    class Config(RendersConfig):
        detail_words: Fraction = 0.5  # probability that a plain object's caption names its detail
        short_captions: Fraction = 0.15  # probability that a caption leaves out pattern and detail

    views = GROUP

    def __init__(self, config: Config) -> None:
        self.config = config

    def prepare(self, device: torch.device) -> None:
        self._train = load_views("train", self.config, device)
        self._held_out = load_views("validation", self.config, device)

    def batch(self, draws: Draws, size: int) -> CaptionedGroups:
        return self._draw(self._train, draws, size)

    def held_out(self, draws: Draws, size: int) -> CaptionedGroups:
        return self._draw(self._held_out, draws, size)

    def _draw(self, views: Views, draws: Draws, size: int) -> CaptionedGroups:
        c = self.config
        first = draws.integers("object", 0, len(views.azimuth_deg) // VIEWS - 1, size) * VIEWS
        index = (first[:, None] + torch.arange(GROUP)).flatten()
        background = random_background_colors(draws.uniform("background", size, 4)).repeat_interleave(GROUP, dim=0)
        images = views.over(index, background)
        short, detailed = (draws.uniform("caption", size, 2) < torch.tensor([c.short_captions, c.detail_words])).T
        choices = zip(first.tolist(), short.tolist(), detailed.tolist(), strict=True)
        captions = [views.caption(*choice, name_view=False, name_side=False) for choice in choices]
        return CaptionedGroups(images, views.cameras(index).to(images.device), captions)

    def sample_captions(self) -> Sequence[str]:
        """Every fourth of the 32 test prompts."""
        return world.test_prompts()[::4]
