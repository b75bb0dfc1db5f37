"""Data set of pairs of views of nano objects, with their cameras."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from maquette.annotations import ElevationDeg, Fraction
from maquette.datasets.base import PosedPairs
from maquette.errors import ConfigError
from maquette.randomness import Draws
from maquette.registry import register
from maquette_nano.renders import REFERENCES, VIEWS, RendersConfig, Views, load_views, random_background_colors
from maquette_nano.world.categories import CATEGORIES


@register("dataset", "nano-pairs")
class NanoPairs:
    """Two of an object's eight views over one background, white for most pairs.

    References have elevations that photographs are taken from; targets are any view.
    """

    @dataclass(frozen=True)
    class Config(RendersConfig):
        reference_elevation_deg: tuple[ElevationDeg, ElevationDeg] = (
            -10.0,
            60.0,
        )  # range of the references' elevations
        white: Fraction = 0.7  # probability of a white background; else a light grey with a tint
        same_view: Fraction = 0.05  # probability that the target is the reference itself
        without: tuple[str, ...] = ()  # categories whose objects are in no training pair, such as teapot

        def __post_init__(self) -> None:
            if unknown := [name for name in self.without if name not in CATEGORIES]:
                raise ValueError(f"without: there is no category {unknown[0]!r}; known: {', '.join(CATEGORIES)}")
            if set(CATEGORIES) <= set(self.without):
                raise ValueError("without: it leaves no category")
            low, high = self.reference_elevation_deg
            if low > high:
                raise ValueError(
                    f"reference_elevation_deg goes from {low:g} down to {high:g}: give the lower one first"
                )

    def __init__(self, config: Config) -> None:
        self.config = config

    def prepare(self, device: torch.device) -> None:
        self._train = self._eligible(load_views("train", self.config, device), self.config.without)
        self._held_out = self._eligible(load_views("validation", self.config, device))

    def _eligible(self, views: Views, without: tuple[str, ...] = ()) -> tuple[Views, Tensor]:
        """The views, and the indices of those that may be references."""
        low, high = self.config.reference_elevation_deg
        inside = (views.elevation_deg >= low) & (views.elevation_deg <= high)
        mask = [text.rpartition(" ")[2] not in without for text in views.short]
        references = np.flatnonzero(inside & np.repeat(mask, VIEWS))
        if not len(references):
            raise ConfigError(
                f"none of {len(views.short)} objects has a view at elevations of {low:g} to {high:g} degrees",
                key="dataset.reference_elevation_deg", hint="give a wider range, or more objects",
            )  # fmt: skip
        return views, torch.from_numpy(references)

    def batch(self, draws: Draws, size: int) -> PosedPairs:
        return self._draw(*self._train, draws, size)

    def held_out(self, draws: Draws, size: int) -> PosedPairs:
        return self._draw(*self._held_out, draws, size)

    def _draw(self, views: Views, references: Tensor, draws: Draws, size: int) -> PosedPairs:
        reference = references[draws.integers("reference", 0, len(references) - 1, size)]
        another = draws.integers("target", 1, VIEWS - 1, size)
        onward = torch.where(draws.uniform("same-view", size) < self.config.same_view, 0, another)
        target = reference - reference % VIEWS + (reference + onward) % VIEWS
        white = draws.uniform("white", size, 1) < self.config.white
        background = torch.where(white, 1.0, random_background_colors(draws.uniform("background", size, 4)))
        return _pairs(views, reference, target, background)

    def sample_pairs(self, objects: int, targets: int) -> PosedPairs:
        views, _ = self._held_out
        first = torch.linspace(0, len(views.azimuth_deg) // VIEWS - 1, objects).long() * VIEWS
        target = (first[:, None] + torch.arange(1, targets + 1)).flatten()
        reference = first.repeat_interleave(targets)
        return _pairs(views, reference, target, torch.ones(len(target), 3))


@register("dataset", "nano-joint-pairs")
class NanoJointPairs:
    """A reference of a nano object with its six views at azimuths 30 + 60 k from it, over white.

    The six have the elevations of Zero123++ v1.2 and the lens of the references.
    """

    Config = RendersConfig
    views = VIEWS - REFERENCES

    def __init__(self, config: RendersConfig) -> None:
        self.config = config

    def prepare(self, device: torch.device) -> None:
        self._train = load_views("train", self.config, device, rig="six-one-lens")
        self._held_out = load_views("validation", self.config, device, rig="six-one-lens")

    def batch(self, draws: Draws, size: int) -> PosedPairs:
        return self._draw(self._train, draws, size)

    def held_out(self, draws: Draws, size: int) -> PosedPairs:
        return self._draw(self._held_out, draws, size)

    def _draw(self, views: Views, draws: Draws, size: int) -> PosedPairs:
        first = draws.integers("object", 0, len(views.short) - 1, size) * VIEWS
        return self._joint(views, first, draws.integers("reference", 0, REFERENCES - 1, size), self.views)

    def sample_pairs(self, objects: int, targets: int) -> PosedPairs:
        first = torch.linspace(0, len(self._held_out.short) - 1, objects).long() * VIEWS
        return self._joint(self._held_out, first, torch.zeros(objects).long(), targets)

    def _joint(self, views: Views, first: Tensor, reference: Tensor, targets: int) -> PosedPairs:
        target = (first[:, None] + REFERENCES + torch.arange(targets)).flatten()
        references = (first + reference).repeat_interleave(targets)
        return _pairs(views, references, target, torch.ones(len(target), 3))


def _pairs(views: Views, reference: Tensor, target: Tensor, background: Tensor) -> PosedPairs:
    device = views.rgba.device
    return PosedPairs(
        views.over(reference, background), views.over(target, background),
        views.cameras(reference).to(device), views.cameras(target).to(device),
    )  # fmt: skip
