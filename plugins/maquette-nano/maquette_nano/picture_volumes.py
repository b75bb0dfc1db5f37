"""Data set of nano objects by a picture and six views around it, with their volume and exact surface."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from maquette.annotations import Fraction
from maquette.datasets.base import ViewsWithSurfaces
from maquette.randomness import Draws
from maquette.registry import register
from maquette_nano import world
from maquette_nano.volumes import (
    BOUND,
    FOUR,
    SAMPLED,
    SIX,
    Volumes,
    VolumesConfig,
    choose,
    load_sampled_volumes,
    load_volumes,
    perturb,
)

TRUE_VIEWS = (*range(FOUR, FOUR + SIX), 0)  # of a rendered object: the six, and one of the four as the picture


@dataclass(frozen=True)
class _Split:
    """Objects with their volumes, and the split of the nano world that they are of."""

    volumes: Volumes
    world: str
    views: Sequence[int]


@register("dataset", "nano-picture-volumes")
class NanoPictureVolumes:
    """Nano objects by the six views of Zero123++ and a picture, the last view, with truncated distances and surfaces.

    Half of the batches, or the share `sampled_batches`, have views that the novel-view prior sampled from the picture.
    The others are rendered, from elevations of Zero123++ v1.1 or v1.2, and perturbed as those of `nano-volumes` are;
    their picture is from a random azimuth, at an elevation within `four_elevation_deg`.
    """

    @dataclass(frozen=True)
    class Config(VolumesConfig):
        sampled_batches: Fraction = 0.5  # probability that a batch has sampled views, if there are any

    bound = BOUND
    view_counts: Sequence[int] = (SAMPLED,)

    def __init__(self, config: Config) -> None:
        self.config = config
        self.resolution = config.resolution

    def prepare(self, device: torch.device) -> None:
        self._train = _Split(load_volumes("train", self.config, device), "train", TRUE_VIEWS)
        self._held_out = _Split(load_volumes("validation", self.config, device), "validation", TRUE_VIEWS)
        self._sampled = None
        if self.config.sampled.objects:
            self._sampled = _Split(load_sampled_volumes(self.config, device), "train", range(SAMPLED))

    def batch(self, draws: Draws, size: int) -> ViewsWithSurfaces:
        if self._sampled is not None and draws.uniform("sampled", 1).item() < self.config.sampled_batches:
            return self._draw(self._sampled, draws, size, perturbed=False)
        return self._draw(self._train, draws, size, perturbed=True)

    def held_out(self, draws: Draws, size: int, views: int, perturbed: bool = False) -> ViewsWithSurfaces:
        return self._draw(self._held_out, draws, size, perturbed)

    def sample_objects(self, count: int, views: int) -> ViewsWithSurfaces:
        index = torch.linspace(0, len(self._held_out.volumes) - 1, count).long()
        return self._select(self._held_out, index, torch.ones(count, 3), torch.full((count,), -1))

    def _draw(self, split: _Split, draws: Draws, size: int, perturbed: bool) -> ViewsWithSurfaces:
        chosen = choose(split.volumes, self.config, draws, size)
        objects = self._select(split, chosen.index, chosen.background, chosen.quarters)
        return perturb(objects, self.config, draws.sub("perturb")) if perturbed else objects

    def _select(
        self, split: _Split, index: Tensor, background: Float[Tensor, "B 3"], quarters: Tensor
    ) -> ViewsWithSurfaces:
        objects = split.volumes.select(index, split.views, background, quarters)
        angles_deg = split.volumes.angles_deg(index, quarters).tolist()
        surfaces = [
            TurnedObject(split.world, number, angle_deg)
            for number, angle_deg in zip(index.tolist(), angles_deg, strict=True)
        ]
        return ViewsWithSurfaces(objects.images, objects.opacity, objects.cameras, objects.distances, surfaces)


@dataclass(frozen=True)
class TurnedObject:
    """The exact surface of an object turned by `turn_deg` about the vertical axis (a `SurfaceAt`)."""

    split: str
    number: int
    turn_deg: float

    def __call__(self, points: Float[Tensor, "n 3"]) -> tuple[Float[Tensor, " n"], Float[Tensor, "n 3"]]:
        """Signed distances and colours at points."""
        obj = _object(self.split, self.number)
        cosine, sine = np.cos(np.deg2rad(self.turn_deg)), np.sin(np.deg2rad(self.turn_deg))
        x, y, z = points.cpu().numpy().T
        own = np.stack([x * cosine + y * sine, y * cosine - x * sine, z], -1).astype(np.float32)
        return torch.from_numpy(obj.sdf(own)).to(points), torch.from_numpy(obj.albedo(own)).to(points)


@lru_cache(maxsize=10_000)
def _object(split: str, number: int) -> world.NanoObject:
    return world.sample_object(number, split)
