"""Pictures of meshes whose outline and colours are known."""

import numpy as np
import pytest
import torch
import trimesh

from maquette.cameras.base import orbit_cameras
from maquette.export.drawing import MeshDrawing
from maquette.meshes.mesh import Mesh
from maquette.meshes.texture import bake, unwrap


def ball(centre=(0.0, 0.0, 0.0), radius=0.4, **given):
    body = trimesh.creation.icosphere(4, radius)
    return Mesh(body.vertices + np.array(centre), body.faces, **given)


@pytest.mark.parametrize("centre, radius", [((0, 0, 0), 0.4), ((0.5, -0.3, 0.2), 0.1), ((0, 0, 7), 20.0)])
def test_the_object_fills_the_picture_wherever_it_lies(centre, radius):
    alpha = MeshDrawing(ball(centre, radius)).render([0.0, 90.0], 15.0, 64).picture.alpha
    rows = alpha[..., 0].sum(1).amax(1)
    assert torch.allclose(alpha.mean((1, 2, 3)), torch.tensor(np.pi / 4 * 0.9), atol=0.06)
    assert (alpha[:, [0, -1]] == 0).all() and (rows > 55).all()


def test_normals_face_the_camera_and_depth_is_least_in_the_middle():
    views = MeshDrawing(ball()).render([90.0], 0.0, 65)
    torch.testing.assert_close(views.normal[0, 32, 32], torch.tensor([0.0, 1.0, 0.0]), atol=0.01, rtol=0)
    covered = views.picture.alpha[0, ..., 0] > 0.99
    assert views.depth[0, ..., 0][covered].min() == pytest.approx(float(views.depth[0, 32, 32]), abs=0.01)
    assert views.picture.color[0][covered].allclose(torch.tensor(0.7))


def test_textures_and_vertex_colours_are_drawn_unlit():
    halves = lambda points, normals: torch.where(points[:, 1:2] > 0, 0.2, 0.8).expand(-1, 3)  # noqa: E731
    plain = ball()
    colors = halves(torch.from_numpy(plain.vertices), None).numpy()
    for mesh in (bake(unwrap(plain, 128), halves, 128), ball(vertex_colors=colors)):
        rgb = MeshDrawing(mesh).render([0.0], 0.0, 64).rgb[0]
        assert rgb[32, 16].tolist() == pytest.approx([0.8] * 3, abs=0.02)  # y grows to the right in front
        assert rgb[32, 48].tolist() == pytest.approx([0.2] * 3, abs=0.02)
        assert rgb[0, 0].tolist() == [1, 1, 1]


def test_cameras_see_the_mesh_at_its_own_place():
    one = torch.ones(1)
    cameras = orbit_cameras(0 * one, 0 * one, 4 * one, 40 * one, 101)
    views = MeshDrawing(ball((0.0, 0.5, 0.0), 0.2)).render_cameras(cameras)
    rows, columns = (views.picture.alpha[0, ..., 0] > 0.5).nonzero().T
    offset = 0.5 / 4 / np.tan(np.deg2rad(20)) * 50.5  # pixels to the right of the middle, seen from the front
    assert float(columns.float().mean()) == pytest.approx(50 + offset, abs=0.7)
    assert float(rows.float().mean()) == pytest.approx(50, abs=0.7)
    assert views.depth[0, 50, round(50 + offset), 0] == pytest.approx(np.hypot(4, 0.5) - 0.2, abs=0.02)
