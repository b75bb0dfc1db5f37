"""The surface mesh of a scene as conversions use it: extracted, cleaned, decimated, sampled."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from maquette.meshes.clean import clean, decimate
from maquette.meshes.mesh import EmptySurface, Mesh
from maquette.randomness import Draws
from maquette.scene import Scene

SURFACE_RESOLUTION = 128  # samples of a field along each side of the cube, for its surface
MIN_COMPONENT = 0.05  # fraction of the largest component's area; smaller components are dropped


def clean_surface(source: Scene) -> Mesh:
    """The surface of a scene without small floating parts and inner cavities; an explicit mesh stays unchanged.

    Raises:
        EmptySurface: there is none.
    """
    mesh = source.surface(SURFACE_RESOLUTION)
    return _filled(clean(mesh, MIN_COMPONENT) if source.extracted else mesh, "its surface has no area")


def decimate_within(mesh: Mesh, max_faces: int, bound: float) -> Mesh:
    """A mesh with at most about `max_faces` faces; vertices are clipped to the cube of half side `bound`."""
    decimated = _filled(decimate(mesh, max_faces), f"max_faces={max_faces} leaves no face")
    return replace(decimated, vertices=decimated.vertices.clip(-bound, bound))


def _filled(mesh: Mesh, problem: str) -> Mesh:
    if mesh.is_empty:
        raise EmptySurface(problem)
    return mesh


def sample_surface(mesh: Mesh, count: int, draws: Draws) -> tuple[Float[Tensor, "n 3"], Float[Tensor, "n 3"]]:
    """Points distributed uniformly over a mesh [n, 3], and the unit normals of their faces [n, 3]."""
    import trimesh

    body = mesh.to_trimesh()
    seed = int(draws.integers("surface", 0, 2**31 - 1, 1))
    points, face = trimesh.sample.sample_surface(body, count, seed=seed)
    normals = np.asarray(body.face_normals[face])
    return torch.from_numpy(np.asarray(points)).float(), torch.from_numpy(normals).float()
