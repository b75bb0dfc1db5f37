"""Vertices take the colour of the views that see them."""

import numpy as np
import trimesh

from ball_views import BLUE, RED, ball_views
from maquette.conversions.view_colors import color_vertices, visible
from maquette.meshes.mesh import Mesh
from views import around


def ball_mesh() -> Mesh:
    ball = trimesh.creation.icosphere(4, radius=0.5)
    return Mesh(ball.vertices, ball.faces)


def test_a_ball_is_red_above_and_blue_below():
    mesh = color_vertices(ball_mesh(), ball_views(elevation=0.0, size=64))
    height = mesh.vertices[:, 2]
    np.testing.assert_allclose(
        mesh.vertex_colors[height > 0.05], np.broadcast_to(RED, (sum(height > 0.05), 3)), atol=0.05
    )
    np.testing.assert_allclose(
        mesh.vertex_colors[height < -0.05], np.broadcast_to(BLUE, (sum(height < -0.05), 3)), atol=0.05
    )


def test_the_far_side_is_not_visible():
    mesh = ball_mesh()
    result = visible(mesh, around(0.0, size=64)).numpy()
    assert (result[mesh.vertices[:, 0] > 0.25] == 1).all() and (result[mesh.vertices[:, 0] < 0] == 0).all()


def test_what_no_view_shows_has_the_color_of_the_nearest_visible_vertex():
    mesh = color_vertices(ball_mesh(), ball_views(0.0, elevation=0.0, size=64))
    behind = (mesh.vertices[:, 0] < -0.1) & (mesh.vertices[:, 2] > 0.15)
    np.testing.assert_allclose(mesh.vertex_colors[behind], np.broadcast_to(RED, (behind.sum(), 3)), atol=0.05)


def test_a_mesh_that_no_view_shows_is_grey():
    mesh = ball_mesh()
    aside = Mesh(mesh.vertices + np.array([0, 0, 40], np.float32), mesh.faces)
    assert (color_vertices(aside, ball_views(0.0)).vertex_colors == 0.5).all()
