"""Points distributed uniformly over surfaces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from maquette.meshes.mesh import EmptySurface, Mesh
from maquette.randomness import Draws


@dataclass(frozen=True)
class SurfaceSamples:
    """Points on a surface.

    Args:
        points: in scene units [n, 3].
        diagonal: length of the diagonal of the surface's axis-aligned bounding box, scene units.
        normals: outward unit normals [n, 3]; None if unknown.
    """

    points: Float[Tensor, "n 3"]
    diagonal: float
    normals: Float[Tensor, "n 3"] | None = None

    @classmethod
    def of_mesh(cls, mesh: Mesh, count: int, draws: Draws) -> SurfaceSamples:
        """`count` points of a mesh by area, with the normals of their faces.

        Raises:
            EmptySurface: the mesh has no area.
        """
        if mesh.is_empty or not mesh.face_areas.sum() > 0:
            raise EmptySurface("the surface has no area, so no points can be sampled on it")
        points, normals = sample_surface(mesh, count, draws)
        return cls(points, float(np.linalg.norm(np.ptp(mesh.bounds, axis=0))), normals)

    @classmethod
    def of_points(cls, points: Float[Tensor, "n 3"]) -> SurfaceSamples:
        """Points that are known without their surface, so that the box is that of the points."""
        return cls(points, float((points.max(0).values - points.min(0).values).norm()))


def sample_surface(mesh: Mesh, count: int, draws: Draws) -> tuple[Float[Tensor, "n 3"], Float[Tensor, "n 3"]]:
    """Points distributed uniformly over a mesh [n, 3], and the unit normals of their faces [n, 3]."""
    import trimesh

    body = mesh.to_trimesh()
    seed = int(draws.integers("surface", 0, 2**31 - 1, 1))
    points, face = trimesh.sample.sample_surface(body, count, seed=seed)
    normals = np.asarray(body.face_normals[face])
    return torch.from_numpy(np.asarray(points)).float(), torch.from_numpy(normals).float()
