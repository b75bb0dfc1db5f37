"""Held-out objects of the nano world, the ground truth of benchmarks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import count

import numpy as np
from jaxtyping import Float
from torch import Tensor

from maquette.cameras.base import Cameras
from maquette.meshes.mesh import Mesh
from maquette_nano import world
from maquette_nano.renders import FOV_DEG
from maquette_nano.world.categories import CATEGORIES


def held_out_objects(each: int, skip: int = 0) -> Iterator[world.NanoObject]:
    """The first `each` objects of each category in the test split after the first `skip` ones, as they come."""
    counts: Counter[str] = Counter()
    for index in count():
        category, *_ = world.sample_attributes(index, "test")
        if counts[category] < skip + each:
            counts[category] += 1
            if counts[category] > skip:
                yield world.sample_object(index, "test")
        if counts.total() == (skip + each) * len(CATEGORIES):
            return


def pictures(
    obj: world.NanoObject, cameras: Cameras, grey: float = 1.0, supersample: int = 2
) -> Float[Tensor, "B H W 3"]:
    """Renders of the object, lit as in the priors' training images, over a grey; 1 is white."""
    return world.render(obj, cameras.c2w.numpy(), FOV_DEG, cameras.width, supersample).picture.over(grey)


def mesh_from(obj: world.NanoObject, azimuth_deg: float) -> Mesh:
    """The true surface in the frame of a camera at that azimuth, which is at azimuth 0 there."""
    from maquette_nano.truth import true_mesh  # imported before the plugins are loaded, its part counts as a built-in

    mesh, angle = true_mesh(obj), np.deg2rad(azimuth_deg)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    return Mesh((mesh.vertices @ turn).astype(np.float32), mesh.faces)
