"""Meshes as a run exported them: read, drawn by the rasteriser, and shown by their normals."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from maquette.backgrounds.solid import Solid
from maquette.cameras.base import Cameras
from maquette.geometry.mesh import TriangleMesh
from maquette.images.picture import Picture
from maquette.materials.plain import Plain
from maquette.meshes.mesh import Mesh
from maquette.meshes.placement import Placement
from maquette.meshes.reading import read_mesh
from maquette.renderers.mesh import MeshRenderer
from maquette.scene import RenderedViews, Scene, Viewpoint

MESH = "mesh.glb"  # what the mesh exporter writes
SUPERSAMPLING = 4  # rays per pixel side, as true pictures have


def exported_mesh(run: Path) -> Mesh:
    """The mesh that a run exported, where and as large as it is in the scene."""
    return read_mesh(run / "export" / MESH, Placement(fit="none"))


def draw_exported(run: Path, cameras: Cameras) -> RenderedViews:
    """Pictures of the mesh that a run exported, by its texture alone, and its normals."""
    return draw_mesh(run / "export" / MESH, cameras)


def draw_mesh(file: Path, cameras: Cameras) -> RenderedViews:
    """Pictures of a mesh file where it lies, by its texture alone, and its normals."""
    geometry = TriangleMesh(TriangleMesh.Config(path=str(file), fit="none"))
    renderer = MeshRenderer(MeshRenderer.Config(supersampling=SUPERSAMPLING), geometry.bound)
    scene = Scene(geometry, Plain(Plain.Config()), Solid(Solid.Config(color=(0.0, 0.0, 0.0))), renderer, Viewpoint())
    return scene.render_cameras(cameras)


def normal_pictures(views: RenderedViews) -> list[np.ndarray]:
    """World normals n as colours n / 2 + 1/2 over white."""
    assert views.normal is not None
    return list(Picture((views.normal + 1) / 2, views.picture.alpha).over(1.0).numpy())
