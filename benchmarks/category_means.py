"""What recall alone gives: the mean volume of a nano category, and the most similar of its training objects."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import count

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from maquette.learners.reconstructor import intersection_over_union
from maquette_nano import world
from maquette_nano.volumes import STEPS, truncated_distances
from maquette_nano.world.categories import CATEGORIES

EACH = 40  # training objects of each category
TURNS = 12  # angles of a mean over all azimuths
LEVELS = torch.linspace(-0.4, 0.8, 25)  # tried thresholds of a mean of distances, cells


@dataclass(frozen=True)
class CategoryMeans:
    """Training objects of each category, facing the front, and the thresholds of their means.

    Args:
        volumes: category -> truncated distances in cells [EACH, N, N, N].
        turned: category -> mean over objects and azimuths [N, N, N].
        level: threshold of all means of posed objects that serves the training objects best; level_turned: of the
            others.
    """

    volumes: dict[str, Float[Tensor, "n N N N"]]
    turned: dict[str, Float[Tensor, "N N N"]]
    level: float
    level_turned: float

    @classmethod
    def of_training(cls, resolution: int) -> CategoryMeans:
        """From the first training objects."""
        objects: dict[str, list[world.NanoObject]] = defaultdict(list)
        for number in count():
            obj = world.sample_object(number, "train")
            if len(objects[obj.category]) < EACH:
                objects[obj.category].append(obj)
            if sum(map(len, objects.values())) == EACH * len(CATEGORIES):
                break
        volumes = {name: _stack([_volume(obj, resolution) for obj in some]) for name, some in objects.items()}
        angles = np.arange(TURNS) * 360 / TURNS
        rotated = {
            name: _stack([_volume(obj, resolution, angle) for obj in some[:8] for angle in angles])
            for name, some in objects.items()
        }
        turned = {name: values.mean(0) for name, values in rotated.items()}
        means = {name: values.mean(0) for name, values in volumes.items()}
        return cls(volumes, turned, _best_level(means, volumes), _best_level(turned, rotated))

    def of(self, obj: world.NanoObject, azimuth_deg: float) -> tuple[Float[Tensor, "N N N"], ...]:
        """The category's mean, facing the front; its mean over azimuths; and the object that overlaps most, chosen by
        the truth. All in cells, with the surface at zero; the first and the last are compared facing the front."""
        own = self.volumes[obj.category]
        truth = _volume(obj, own.shape[-1])
        overlap = intersection_over_union(own < 0, (truth < 0).expand_as(own))
        return own.mean(0) - self.level, self.turned[obj.category] - self.level_turned, own[overlap.argmax()]


def _volume(obj: world.NanoObject, resolution: int, turn_deg: float = 0.0) -> Float[Tensor, "N N N"]:
    return torch.from_numpy(truncated_distances(obj, resolution, turn_deg)).float() / STEPS


def _stack(volumes: list[Tensor]) -> Float[Tensor, "n N N N"]:
    return torch.stack(volumes)


def _best_level(means: dict[str, Tensor], volumes: dict[str, Tensor]) -> float:
    """The one threshold at which means overlap most with the objects that they are of."""
    scores = torch.zeros(len(LEVELS))
    for name, mean in means.items():
        inside = volumes[name] < 0
        for i, level in enumerate(LEVELS):
            scores[i] += intersection_over_union((mean < level).expand_as(inside), inside).mean()
    return float(LEVELS[scores.argmax()])
