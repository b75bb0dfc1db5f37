"""Held-out objects of the nano world, the ground truth of benchmarks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import count

from jaxtyping import Float
from torch import Tensor

from maquette.cameras.base import Cameras
from maquette_nano import world
from maquette_nano.renders import FOV_DEG
from maquette_nano.world.categories import CATEGORIES


def held_out_objects(each: int, skip: int = 0) -> Iterator[world.NanoObject]:
    """The first `each` objects of each category in the test split after the first `skip` ones, as they come."""
    counts: Counter[str] = Counter()
    for index in count():
        obj = world.sample_object(index, "test")
        if counts[obj.category] < skip + each:
            counts[obj.category] += 1
            if counts[obj.category] > skip:
                yield obj
        if counts.total() == (skip + each) * len(CATEGORIES):
            return


def pictures(
    obj: world.NanoObject, cameras: Cameras, grey: float = 1.0, supersample: int = 2
) -> Float[Tensor, "B H W 3"]:
    """Renders of the object, lit as in the priors' training images, over a grey; 1 is white."""
    return world.render(obj, cameras.c2w.numpy(), FOV_DEG, cameras.width, supersample).picture.over(grey)
