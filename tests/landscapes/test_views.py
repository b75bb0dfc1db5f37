"""Cameras over a landscape: what they meet, where they may stand, and labels in space."""

import pytest
import torch

from maquette.kernels.height_field import GROUND, SKY, TREE, WATER
from maquette.landscapes import World, WorldConfig
from maquette.landscapes.classes import LABELS, SKY_LABEL, TREE_LABEL, WATER_LABEL
from maquette.landscapes.views import LEAST_ENTROPY, PoseRange, camera_at, draw_camera, entropy, labels_at, look
from maquette.randomness import Draws

POSES = PoseRange(scale=0.125)


@pytest.fixture(scope="module")
def scene():
    return World(1, WorldConfig(size=96, scale=0.125, tree_scale=0.3, unbounded=True, relief=True)).window()


def test_a_camera_at_a_heading_looks_along_it(scene):
    camera = camera_at(torch.tensor([10.0, 20.0, 30.0]), 90.0, -30.0, 60.0, 9, 9)
    origins, directions = camera.rays()
    torch.testing.assert_close(directions[0, 4, 4], torch.tensor([0.0, 3**0.5 / 2, -0.5]), rtol=0, atol=1e-5)
    torch.testing.assert_close(origins[0, 0, 0], torch.tensor([10.0, 20.0, 30.0]))


def test_drawn_cameras_have_a_free_view_of_several_labels(scene):
    for step in range(4):
        camera, view = draw_camera(scene, Draws(0, step), 32, 32, POSES)
        x, y, z = camera.c2w[0, :3, 3].tolist()
        assert z > float(scene.height[round(x), round(y)]) and z > 0
        assert view.depth.min() >= 0.9 and entropy(view.labels) > 0.8 * LEAST_ENTROPY


def test_labels_of_a_view_fit_what_its_rays_meet(scene):
    _, view = draw_camera(scene, Draws(1, 0), 32, 32, POSES)
    assert ((view.kind == SKY) == (view.labels == SKY_LABEL)).all()
    assert ((view.kind == WATER) == (view.labels == WATER_LABEL)).all()
    assert ((view.kind == TREE) == (view.labels == TREE_LABEL)).all()
    assert (view.depth.isinf() == (view.kind == SKY)).all()


def test_labels_at_the_points_that_rays_meet_are_those_of_the_view(scene):
    _, view = draw_camera(scene, Draws(2, 0), 32, 32, POSES)
    met = view.kind != SKY
    labels, solid = labels_at(scene, view.points[met] + 1e-3 * view.directions[met])
    inside = ((view.points[met][:, :2] >= 0) & (view.points[met][:, :2] <= 95)).all(dim=-1)
    assert solid.float().mean() > 0.97
    assert (labels == view.labels[met])[inside & solid].float().mean() > 0.97


def test_air_has_the_sky_s_label_and_is_empty(scene):
    labels, solid = labels_at(scene, torch.tensor([[40.0, 40.0, 500.0], [40.0, 40.0, -500.0]]))
    assert labels[0] == SKY_LABEL and not solid[0] and solid[1]


def test_a_view_downwards_meets_the_ground_at_its_height(scene):
    x, y = (int(each) for each in (scene.height == scene.height.max()).nonzero()[0])
    x, y = min(max(x, 1), 94), min(max(y, 1), 94)
    top = float(scene.height[x, y])
    camera = camera_at(torch.tensor([float(x), float(y), top + 40.0]), 0.0, -89.99, 1.0, 1, 1)
    view = look(scene, camera)
    assert view.kind.item() in (GROUND, TREE) and view.depth.item() == pytest.approx(40, abs=6)
    assert LABELS[view.labels.item()] != "sky"
