"""Data set of captioned renders of nano objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from maquette.annotations import Fraction
from maquette.datasets.base import CaptionedImages
from maquette.randomness import Draws
from maquette.registry import register
from maquette_nano import world
from maquette_nano.renders import RendersConfig, Shows, Views, load_held_out_pairs, load_views, random_background_colors


@register("dataset", "nano-world")
class NanoWorld:
    """Captioned renders of the nano world over light backgrounds, biased to front views like web images.

    Every object has eight views: four at right angles at one elevation, and four at random. With probability
    `front_bias` an image is sampled from the views within 45 degrees of the front, otherwise from all views.
    """

    @dataclass(frozen=True)
    class Config(RendersConfig):
        front_bias: Fraction = 0.4  # probability of sampling from the front views only
        view_words: Fraction = 0.7  # probability that a caption names the view
        side_words: Fraction = 0.5  # probability that the words for a side view name left or right
        detail_words: Fraction = 0.5  # probability that a plain object's caption names its detail
        short_captions: Fraction = 0.15  # probability that a caption leaves out pattern and detail
        all_pairs: bool = False  # include held-out pairs of category and colour, to train a judge of other models
        shows: Shows = "color"  # normals: in the camera's frame, over the grey of the zero normal

    def __init__(self, config: Config) -> None:
        self.config = config

    def prepare(self, device: torch.device) -> None:
        config = self.config
        self._train = load_views("train", config, device, config.shows)
        if config.all_pairs:
            self._train = self._train.concatenate(*load_held_out_pairs(config, device, config.shows))
        self._held_out = load_views("validation", config, device, config.shows)

    def batch(self, draws: Draws, size: int) -> CaptionedImages:
        return self._draw(self._train, draws, size)

    def held_out(self, draws: Draws, size: int) -> CaptionedImages:
        return self._draw(self._held_out, draws, size)

    def _draw(self, views: Views, draws: Draws, size: int) -> CaptionedImages:
        config = self.config
        biased = draws.uniform("front-bias", size) < config.front_bias
        anywhere = draws.integers("view", 0, len(views.azimuth_deg) - 1, size)
        in_front = torch.from_numpy(views.front)[draws.integers("front", 0, len(views.front) - 1, size)]
        index = torch.where(biased, in_front, anywhere)
        behind = random_background_colors(draws.uniform("background", size, 4))
        images = views.over(index, behind if config.shows == "color" else torch.full((size, 3), 0.5))
        chances = draws.uniform("caption", size, 4)
        limits = torch.tensor([config.view_words, config.short_captions, config.detail_words, config.side_words])
        named_view, short, detailed, named_side = (chances < limits).T.tolist()
        choices = zip(index.tolist(), short, detailed, named_view, named_side, strict=True)
        captions = [views.caption(*choice) for choice in choices]
        return CaptionedImages(images, captions)

    def words(self) -> Sequence[str]:
        return world.words()

    def sample_captions(self) -> Sequence[str]:
        views = ("front view", "left side view", "back view", "right side view")
        return [f"{prompt}, {views[i % 4]}" for i, prompt in enumerate(world.test_prompts())]
