"""True objects of the nano world that no training saw, for the benchmarks that know the answer."""

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


def held_out_objects(each: int) -> Iterator[world.NanoObject]:
    """The first `each` objects of each category in the test split, as they come."""
    met: Counter[str] = Counter()
    for index in count():
        thing = world.sample_object(index, "test")
        if met[thing.category] < each:
            met[thing.category] += 1
            yield thing
        if met.total() == each * len(CATEGORIES):
            return


def pictures(
    thing: world.NanoObject, cameras: Cameras, grey: float = 1.0, supersample: int = 2
) -> Float[Tensor, "B H W 3"]:
    """What the object looks like, lit as the priors know it, over a grey; 1 is white."""
    return world.render(thing, cameras.c2w.numpy(), FOV_DEG, cameras.width, supersample).picture.over(grey)
