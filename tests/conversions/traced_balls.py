"""Pictures of coloured balls from any cameras, by the exact intersections of rays."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
import trimesh
from torch import Tensor

from maquette.cameras.base import Cameras
from maquette.data.formats import PosedImages
from maquette.images.picture import Picture
from maquette.meshes.mesh import Mesh

Ball = tuple[tuple[float, float, float], float, Callable[[Tensor], Tensor]]
"""Centre, radius, and colours [n, 3] of points [n, 3]."""


def plain(*color: float) -> Callable[[Tensor], Tensor]:
    """One colour all over."""
    return lambda points: torch.tensor(color).expand(len(points), 3)


def waves(points: Tensor) -> Tensor:
    """Colours that change slowly with the position."""
    return 0.5 + 0.4 * torch.sin(4 * points)


def traced(balls: Sequence[Ball], cameras: Cameras, background: float = 0.0) -> PosedImages:
    """Pictures without antialiasing, with hard mattes; the background's color lies beside the object."""
    origins, directions = cameras.rays()
    nearest = torch.full(origins.shape[:3], torch.inf)
    color = torch.full((*nearest.shape, 3), background)
    for centre, radius, paint in balls:
        offset = origins - torch.tensor(centre)
        along = (offset * directions).sum(-1)
        root = along**2 - (offset**2).sum(-1) + radius**2
        distance = -along - root.clamp(min=0).sqrt()
        hit = (root > 0) & (distance < nearest)
        nearest = torch.where(hit, distance, nearest)
        color[hit] = paint((origins + distance[..., None] * directions)[hit])
    picture = Picture(color, torch.isfinite(nearest)[..., None].float())
    names = tuple(str(i) for i in range(len(cameras)))
    return PosedImages(picture, cameras, ("train",) * len(cameras), names)


def ball_mesh(balls: Sequence[Ball], subdivisions: int = 4) -> Mesh:
    """The balls as one mesh."""
    bodies = [trimesh.creation.icosphere(subdivisions, radius) for _, radius, _ in balls]
    vertices = [body.vertices + np.array(centre) for body, (centre, _, _) in zip(bodies, balls, strict=True)]
    first = np.cumsum([0, *(len(some) for some in vertices[:-1])])
    faces = [body.faces + start for body, start in zip(bodies, first, strict=True)]
    return Mesh(np.concatenate(vertices), np.concatenate(faces))
