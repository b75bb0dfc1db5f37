"""A ball off the origin, red above and blue below, as each of the things that can be converted."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import trimesh

from maquette.backgrounds.solid import Solid
from maquette.conversions import convert
from maquette.geometry.dmtet import DMTet
from maquette.geometry.flexicubes import FlexiCubes
from maquette.geometry.gaussians import Gaussians
from maquette.geometry.mesh import TriangleMesh
from maquette.geometry.sdf_grid import SDFGrid
from maquette.geometry.voxel_grid import VoxelGrid
from maquette.materials.plain import Plain
from maquette.meshes.mesh import Mesh
from maquette.randomness import Draws
from maquette.renderers.mesh import MeshRenderer
from maquette.renderers.splat import Splat
from maquette.renderers.volume import Volume
from maquette.scene import Scene, Viewpoint

CENTRE, RADIUS = (0.2, 0.0, -0.1), 0.5
VOLUME = 4 / 3 * np.pi * RADIUS**3
GRID = {"levels": 4, "log2_table_size": 13, "base_resolution": 4, "finest_resolution": 32, "width": 32}
RENDERERS: dict[str, Any] = {"field": Volume, "surface": MeshRenderer, "splats": Splat}


def scene(geometry: Any, material: Any = None) -> Scene:
    """A geometry with a renderer that fits, unlit."""
    renderer = RENDERERS[geometry.form]
    return Scene(
        geometry,
        material or Plain(Plain.Config()),
        Solid(Solid.Config()),
        renderer(renderer.Config(), 1.0),
        Viewpoint(),
    )


def field_ball(channels: int = 3, material: Any = None) -> Scene:
    """A dense grid of densities, steep at the surface; channels beyond the colours are sigmoids of x and of y."""
    geometry = VoxelGrid(VoxelGrid.Config(resolution=48, shift=0.0, channels=channels))
    axis = torch.linspace(-1, 1, 48)
    x, y, z = torch.meshgrid(axis, axis, axis, indexing="ij")
    distance = ((x - CENTRE[0]).square() + (y - CENTRE[1]).square() + (z - CENTRE[2]).square()).sqrt() - RADIUS
    values = [-distance * 4000, z.sign() * 4, -4 * torch.ones_like(z), -z.sign() * 4, 4 * x, 4 * y]
    geometry.grid.data.copy_(torch.stack(values[: 1 + channels])[None])
    return scene(geometry, material)


def mesh_ball() -> Scene:
    """An explicit mesh with colours at its vertices."""
    body = trimesh.creation.icosphere(5, RADIUS)
    made = empty("mesh", colors="vertex")
    vertices = body.vertices + np.array(CENTRE)
    above = vertices[:, 2:] > 0
    colors = np.where(above, [[0.98, 0.02, 0.02]], [[0.02, 0.02, 0.98]])
    made.geometry.replace_mesh(Mesh(vertices, body.faces, colors))
    return made


def empty(kind: str, material: Any = None, **config: Any) -> Scene:
    """A small geometry of that name that knows nothing yet; the same one each time."""
    torch.manual_seed(0)
    small: dict[str, tuple[Any, dict[str, Any]]] = {
        "mesh": (TriangleMesh, {**GRID, "texture_size": 256, "max_faces": 6000}),
        "dmtet": (DMTet, {**GRID, "resolution": 24}),
        "flexicubes": (FlexiCubes, {**GRID, "resolution": 24}),
        "sdf-grid": (SDFGrid, {**GRID, "levels": 6, "scale": 0.005, "radius": 0.3}),
        "gaussians": (Gaussians, {"count": 4000}),
    }
    cls, given = small[kind]
    return scene(cls(cls.Config(**{**given, **config})), material)


def converted(source: Scene, kind: str, material: Any = None, seed: int = 0, **config: Any) -> Scene:
    """`source` as a geometry of that name."""
    made = empty(kind, material, **config)
    convert(source, made, Draws(seed, 0))
    return made
