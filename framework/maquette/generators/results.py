"""What a generator made, as a scene to go on from, or as signed distances to fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from maquette.backgrounds.solid import Solid
from maquette.errors import RunError
from maquette.generators.base import DistanceGrid, Generated
from maquette.geometry.gaussians import Gaussians, with_features
from maquette.geometry.mesh import TriangleMesh
from maquette.geometry.sdf_voxels import Grid
from maquette.geometry.splat_cloud import SplatCloud
from maquette.kernels.marching_cubes import marching_cubes
from maquette.materials.plain import Plain
from maquette.meshes.clean import keep_components, smooth
from maquette.meshes.distances import mesh_to_sdf
from maquette.meshes.mesh import EmptySurface, Mesh
from maquette.meshes.solidify import solidify
from maquette.renderers.mesh import MeshRenderer
from maquette.renderers.splat import Splat
from maquette.scene import Scene, Viewpoint

SDF_SAMPLES = 97  # along each side of the cube, of distances to a mesh
SMOOTHING = 5  # Taubin iterations of a surface of distances
SPLAT_RESOLUTION = 96  # samples along each side of the cube, of the surface of splats


def generated_scene(generated: Generated, view: Viewpoint, bound: float = 1.0) -> Scene:
    """A scene with what was made: an explicit mesh, or Gaussians.

    Raises:
        RunError: there is no surface, or a number is not finite.
    """
    if isinstance(generated, SplatCloud):
        return _splat_scene(generated, view, bound)
    return mesh_scene(generated if isinstance(generated, Mesh) else grid_mesh(generated), view, bound)


def generated_distances(generated: Generated, bound: float = 1.0) -> Grid:
    """Signed distances of what was made, scene units."""
    if isinstance(generated, DistanceGrid):
        if not torch.isfinite(generated.distances).all():
            raise RunError("the generator's distances are not all finite")
        return Grid(generated.distances.detach().float(), generated.low, generated.cell)
    if isinstance(generated, SplatCloud):
        generated = _splat_scene(generated, Viewpoint(), bound).surface(SPLAT_RESOLUTION)
    _, distances = mesh_to_sdf(generated, SDF_SAMPLES, bound)
    return Grid(distances, (-bound,) * 3, 2 * bound / (SDF_SAMPLES - 1))


def grid_mesh(grid: DistanceGrid) -> Mesh:
    """The closed, connected surface of signed distances, smoothed, with the grid's colours at its vertices.

    Raises:
        EmptySurface: nothing is inside.
    """
    padded = np.pad(grid.distances.detach().cpu().numpy() / grid.cell, 1, constant_values=1.0)
    values = torch.from_numpy(solidify(padded))
    x, y, z = (start - grid.cell for start in grid.low)
    vertices, triangles = marching_cubes(values, (x, y, z), grid.cell)
    if not len(triangles):
        raise EmptySurface("the distances are nowhere negative, so there is no surface")
    mesh = keep_components(smooth(Mesh(vertices.numpy(), triangles.numpy()), SMOOTHING), 1.0)
    if grid.colors is None:
        return mesh
    points = torch.from_numpy(mesh.vertices)
    channels = [Grid(channel, grid.low, grid.cell).at(points).numpy() for channel in grid.colors.cpu().unbind(-1)]
    return replace(mesh, vertex_colors=np.stack(channels, axis=-1).clip(0, 1))


def mesh_scene(mesh: Mesh, view: Viewpoint, bound: float = 1.0) -> Scene:
    """A scene of an explicit mesh, unlit, with its texture or vertex colours; what reaches beyond the bound is cut."""
    config = TriangleMesh.Config(
        bound=bound, subdivisions=0, colors="vertex" if mesh.texture is None else "texture", texture_size=16
    )
    geometry = TriangleMesh(config)
    geometry.replace_mesh(replace(mesh, vertices=mesh.vertices.clip(-bound, bound)))
    renderer = MeshRenderer(MeshRenderer.Config(supersampling=2), bound)
    return Scene(geometry, Plain(Plain.Config()), Solid(Solid.Config()), renderer, view)


def _splat_scene(cloud: SplatCloud, view: Viewpoint, bound: float) -> Scene:
    degree = round(cloud.harmonics.shape[1] ** 0.5) - 1
    config = Gaussians.Config(bound=bound, count=max(len(cloud), 1), degree=min(degree, 3))
    geometry = Gaussians(config)
    geometry.replace(with_features(cloud, config))
    renderer = Splat(Splat.Config(), bound)
    return Scene(geometry, Plain(Plain.Config()), Solid(Solid.Config()), renderer, view)
