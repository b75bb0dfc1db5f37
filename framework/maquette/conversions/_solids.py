"""The surface that a scene hands on, whatever it is made of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from maquette.meshes.clean import clean, decimate
from maquette.meshes.mesh import Mesh
from maquette.randomness import Draws
from maquette.scene import Scene

RESOLUTION = 128  # samples of a field along each side of the cube, for its surface
CRUMB = 0.05  # of the area of the largest piece; smaller pieces are left behind


def solid(source: Scene) -> Mesh:
    """The surface without floating crumbs and hidden cavities; an explicit mesh as it is, its small parts are meant."""
    mesh = source.surface(RESOLUTION)
    return clean(mesh, CRUMB) if source.extracted else mesh


def decimated(mesh: Mesh, max_faces: int, bound: float) -> Mesh:
    """At most about `max_faces` faces, and no vertex pushed out of the cube of half side `bound`."""
    thinned = decimate(mesh, max_faces)
    return replace(thinned, vertices=thinned.vertices.clip(-bound, bound))


def spread(mesh: Mesh, count: int, draws: Draws) -> tuple[Float[Tensor, "n 3"], Float[Tensor, "n 3"]]:
    """Points spread evenly over a mesh, and the unit normals of their faces."""
    import trimesh

    body = mesh.to_trimesh()
    seed = int(draws.integers("surface", 0, 2**31 - 1, 1))
    places, face = trimesh.sample.sample_surface(body, count, seed=seed)
    normals = np.asarray(body.face_normals[face])
    return torch.from_numpy(np.asarray(places)).float(), torch.from_numpy(normals).float()
