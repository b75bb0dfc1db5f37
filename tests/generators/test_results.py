"""Meshes, distances and splats of a generator become scenes and distances of the same ball."""

import numpy as np
import pytest
import torch
import trimesh

from maquette.generators.base import DistanceGrid
from maquette.generators.results import generated_distances, generated_scene, grid_mesh
from maquette.geometry.splat_cloud import SplatCloud
from maquette.meshes.mesh import EmptySurface, Mesh
from maquette.meshes.topology import count_components, is_watertight
from maquette.scene import Viewpoint, sphere_points

AXIS = torch.linspace(-0.7, 0.7, 29)
POINTS = torch.stack(torch.meshgrid(AXIS, AXIS, AXIS, indexing="ij"), dim=-1)


def ball_distances() -> DistanceGrid:
    """A ball of radius 0.5 whose red grows along x."""
    colors = torch.stack([POINTS[..., 0] / 1.4 + 0.5, torch.zeros(29, 29, 29), torch.ones(29, 29, 29)], dim=-1)
    return DistanceGrid(POINTS.norm(dim=-1) - 0.5, (-0.7,) * 3, 0.05, colors)


def ball_mesh() -> Mesh:
    ball = trimesh.creation.icosphere(3, radius=0.5)
    return Mesh(ball.vertices, ball.faces)


def ball_splats() -> SplatCloud:
    means = 0.47 * sphere_points(1500).numpy()
    one = np.ones((len(means), 1))
    return SplatCloud(means, one * [1, 0, 0, 0], 0.03 * one * [1, 1, 1], 0.95 * one[:, 0], 0.5 * np.ones((1500, 1, 3)))


@pytest.mark.parametrize("make", [ball_distances, ball_mesh, ball_splats])
def test_every_result_is_a_scene_of_the_ball(make):
    mesh = generated_scene(make(), Viewpoint()).surface(48)
    radii = np.linalg.norm(mesh.vertices, axis=1)
    assert abs(radii.mean() - 0.5) < 0.05 and mesh.volume > 0


@pytest.mark.parametrize("make", [ball_distances, ball_mesh, ball_splats])
def test_every_result_has_distances_of_the_ball(make, monkeypatch):
    monkeypatch.setattr("maquette.generators.results.SPLAT_RESOLUTION", 48)
    monkeypatch.setattr("maquette.generators.results.SDF_SAMPLES", 33)
    grid = generated_distances(make())
    points = torch.tensor([[0.0, 0, 0.25], [0, 0.35, 0], [0.65, 0, 0]])
    torch.testing.assert_close(grid.at(points), points.norm(dim=-1) - 0.5, atol=0.06, rtol=0)


def test_a_mesh_of_distances_is_closed_in_one_piece_and_has_their_colors():
    mesh = grid_mesh(ball_distances())
    assert is_watertight(mesh) and count_components(mesh) == 1
    np.testing.assert_allclose(mesh.vertex_colors[:, 0], mesh.vertices[:, 0] / 1.4 + 0.5, atol=0.01)


def test_distances_that_reach_the_border_of_their_grid_are_closed_there():
    grid = DistanceGrid(POINTS.norm(dim=-1) - 0.8, (-0.7,) * 3, 0.05)
    assert is_watertight(grid_mesh(grid))


def test_distances_that_are_nowhere_negative_have_no_surface():
    with pytest.raises(EmptySurface, match="nowhere negative"):
        grid_mesh(DistanceGrid(torch.ones(4, 4, 4), (0.0,) * 3, 0.1))
