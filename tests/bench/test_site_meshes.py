"""Meshes of a site's 3D views."""

from __future__ import annotations

import numpy as np
import trimesh

from maquette.bench.site_meshes import site_mesh, with_fewer_faces
from maquette.export.writers import write_glb
from maquette.meshes.mesh import Mesh
from maquette.meshes.placement import Placement
from maquette.meshes.reading import read_mesh


def test_meshes_of_3d_views_have_few_faces_and_the_colours_of_what_was_measured(tmp_path):
    ball = trimesh.creation.icosphere(subdivisions=4, radius=0.5)
    colors = (ball.vertices + 0.5).clip(0, 1)
    whole = write_glb(tmp_path / "mesh.glb", Mesh(ball.vertices, ball.faces, vertex_colors=colors))
    (tmp_path / "few.glb").write_bytes(site_mesh(whole, 1000))
    few = read_mesh(tmp_path / "few.glb", Placement(fit="none"))
    assert len(few.faces) <= 1000 < len(ball.faces)
    assert np.abs(few.vertex_colors - (few.vertices + 0.5)).max() < 0.05
    assert site_mesh(whole, 0) == site_mesh(whole, 10**6) == whole.read_bytes()
    (tmp_path / "odd.glb").write_bytes(b"glTF and nothing that we know")
    assert site_mesh(tmp_path / "odd.glb", 1000).startswith(b"glTF and")


def test_a_textured_mesh_keeps_its_colours_in_3d_views():
    row, column = np.mgrid[:33, :33].reshape(2, -1)
    at, square = np.stack([column, row], -1) / 32, row * 33 + column
    left = square[(row < 32) & (column < 32)]
    faces = np.concatenate([np.stack([left, left + 1, left + 34], -1), np.stack([left, left + 34, left + 33], -1)])
    texture = np.zeros((8, 8, 3))
    texture[:, 4:, 0], texture[:4, :, 1] = 1, 1  # red to the right, green above
    few = with_fewer_faces(Mesh(np.pad(at, ((0, 0), (0, 1))), faces, uv=at, texture=texture), 200)
    far = np.abs(few.vertices[:, :2] - 0.5).min(1) > 0.1
    expected = np.stack([few.vertices[:, 0] > 0.5, few.vertices[:, 1] > 0.5, np.zeros(len(far))], -1)
    assert len(few.faces) <= 200 and np.abs(few.vertex_colors - expected)[far].max() < 1e-3
