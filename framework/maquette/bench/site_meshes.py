"""Meshes of a site's 3D views: of fewer faces than what was measured, so that a page of hundreds stays small."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from maquette.errors import MaquetteError
from maquette.export.writers import write_glb
from maquette.meshes.clean import decimate
from maquette.meshes.closest_points import closest_points
from maquette.meshes.formats.textures import sample_texture
from maquette.meshes.health import welded
from maquette.meshes.mesh import Mesh
from maquette.meshes.placement import Placement
from maquette.meshes.reading import inspect_mesh
from maquette.meshes.tree import TriangleTree


def site_mesh(path: Path, max_faces: int) -> bytes:
    """The content of a `.glb` for a 3D view: with about `max_faces` faces and colours at its vertices, if it has more.

    Args:
        path: of a `.glb`. One that cannot be read is shown as it is, since browsers may know more of glTF.
        max_faces: 0: the file as it is.
    """
    if max_faces:
        try:
            mesh = inspect_mesh(path, Placement(fit="none")).value
        except MaquetteError:
            return path.read_bytes()
        if len(mesh.faces) > max_faces:
            with TemporaryDirectory() as folder:
                return write_glb(Path(folder) / path.name, with_fewer_faces(mesh, max_faces)).read_bytes()
    return path.read_bytes()


def with_fewer_faces(mesh: Mesh, max_faces: int) -> Mesh:
    """A mesh of about `max_faces` faces whose vertices have the colours of the closest points of the given one."""
    fewer = decimate(welded(mesh), max_faces)
    face, weights, _ = closest_points(TriangleTree(mesh.vertices, mesh.faces), fewer.vertices)
    corners = mesh.faces[face]

    def mix(values: np.ndarray) -> np.ndarray:
        return np.einsum("nk,nkd->nd", weights, values[corners])

    if mesh.texture is not None and mesh.uv is not None:
        return replace(fewer, vertex_colors=sample_texture(mesh.texture, mix(mesh.uv)).clip(0, 1))
    return fewer if mesh.vertex_colors is None else replace(fewer, vertex_colors=mix(mesh.vertex_colors).clip(0, 1))
