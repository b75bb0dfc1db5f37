"""The benchmark of landscapes: its kernel distance and its reprojection, on cases with a known answer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from kernel_distance import Kernels, kernel_distances
from torchmetrics.image.kid import poly_mmd

import landscapes
from maquette.landscapes import World
from maquette.landscapes.views import draw_camera, look
from maquette.randomness import Draws
from maquette_nano.landscapes.photographs import POSES, REACH, WORLD


def sets(seed: int, shift: float = 0.0, worlds: int = 6) -> list[torch.Tensor]:
    values = torch.randn(worlds, 5, 8, generator=torch.Generator().manual_seed(seed))
    return list(values + shift)


def test_the_kernel_distance_is_that_of_torchmetrics():
    ours, theirs = sets(0, 0.5), sets(1)
    x, y = torch.cat(ours).double(), torch.cat(theirs).double()
    expected = float(poly_mmd(x, y, degree=3, gamma=1 / 8, coef=1.0))
    once = np.ones(6, int)
    assert Kernels(ours, theirs).distance(once, once) == pytest.approx(expected)


def test_a_world_that_is_drawn_twice_is_not_compared_with_itself():
    ours, theirs, once = sets(0), sets(1), np.ones(6, int)
    one = Kernels(ours, theirs).distance(once, once)
    assert Kernels(ours, theirs).distance(2 * once, once) == pytest.approx(one, rel=0.2)


def test_sets_of_one_kind_are_near_and_of_another_far():
    rows = {"same": sets(2, worlds=24), "shifted": sets(3, 0.7, 24)}
    distances = kernel_distances(rows, sets(4, worlds=24), "shifted")
    low, high = distances["same"]["interval_95"]
    assert low < 0 < high or abs(distances["same"]["mean"]) < 0.05
    assert distances["same"]["minus shifted"]["interval_95"][1] < 0


def test_colours_that_belong_to_places_are_consistent_and_those_of_the_screen_are_not():
    scene = World(500_000, WORLD).window()
    shot = landscapes.Shot(scene, *draw_camera(scene, Draws(0, 0), 72, 72, POSES, REACH), 4)
    there = shot.stepped(*landscapes.STEPS[landscapes.CLAIMED])

    def of_places(each: landscapes.Shot) -> torch.Tensor:
        return landscapes.inner((each.view.points / 40).sin().permute(2, 0, 1), 4).permute(1, 2, 0)

    right = landscapes.reprojected(shot, there, of_places(shot), of_places(there))
    screen = torch.rand(64, 64, 3, generator=torch.Generator().manual_seed(0))
    wrong = landscapes.reprojected(shot, there, screen, screen)
    assert len(right) > 500 and float(right.mean()) < 0.02 < 0.2 < float(wrong.mean())
    assert torch.equal(look(scene, shot.camera, REACH).labels, shot.view.labels)


@pytest.mark.claims
def test_views_of_a_landscape_agree_have_texture_and_are_nearer_to_photographs_than_mean_colours():
    worlds, views = 24, 10  # KID wants 200 pictures
    held = landscapes.measure_worlds(landscapes.GENERATOR, landscapes.TRANSLATOR, worlds, views)
    report = landscapes.summary(held.measured, held.dataset)
    assert report["claims"]["consistency and texture together"], report["claims"]
    distances = landscapes.realism(held.measured, held.training, worlds, views)
    assert distances["generator"]["minus mean colours"]["interval_95"][1] < 0, distances["generator"]
    color, depth = (report["style"][name]["mean"] for name in ("color", "depth"))
    assert color > 0.02 and depth < 0.1, (color, depth)  # cells, of views that are dozens of cells deep
