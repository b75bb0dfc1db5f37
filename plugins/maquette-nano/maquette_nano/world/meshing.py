"""Triangle meshes of nano objects, with the colour of each vertex."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maquette_nano.world.objects import BOUND, NanoObject


@dataclass(frozen=True)
class NanoMesh:
    """vertices [V, 3] in the object's frame, faces [F, 3] counter-clockwise from outside, vertex_colors [V, 3]."""

    vertices: NDArray[np.float32]
    faces: NDArray[np.int64]
    vertex_colors: NDArray[np.float32]


def mesh(obj: NanoObject, resolution: int = 96) -> NanoMesh:
    """The surface of an object, see `surface`, with the colour of each vertex."""
    vertices, faces = surface(obj, resolution)
    return NanoMesh(vertices, faces, obj.albedo(vertices))


def surface(obj: NanoObject, resolution: int = 96) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Vertices and faces of an object, as in `NanoMesh`.

    They are the zero set of its signed distance by marching cubes on a grid of `resolution` samples a side.
    """
    from skimage.measure import marching_cubes

    extent = BOUND * 1.05
    axis = np.linspace(-extent, extent, resolution, dtype=np.float32)
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    values = obj.sdf(points).reshape(resolution, resolution, resolution)
    spacing = (2 * extent / (resolution - 1),) * 3
    vertices, faces, _, _ = marching_cubes(values, 0.0, spacing=spacing, gradient_direction="ascent")
    vertices = (vertices - extent).astype(np.float32)
    faces = faces if _volume(vertices, faces) >= 0 else faces[:, ::-1]  # scikit-image's order has changed
    return vertices, np.ascontiguousarray(faces, np.int64)


def _volume(vertices: NDArray[np.float32], faces: NDArray[np.int32]) -> float:
    a, b, c = (vertices[faces[:, i]].astype(np.float64) for i in range(3))
    return float(np.einsum("fi,fi->", a, np.cross(b, c)) / 6)
