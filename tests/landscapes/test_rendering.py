"""Pictures of a landscape have no rim and no seam, do not depend on how many rays are computed at once, and a style
changes their colours."""

import dataclasses

import numpy as np
import pytest
import torch

from maquette.landscapes import World
from maquette.landscapes import rendering as module
from maquette.landscapes.classes import LABELS
from maquette.landscapes.generator import draw_style
from maquette.landscapes.rendering import LandscapeRenderer, widened
from maquette.landscapes.trees import plant
from maquette.landscapes.views import camera_at, look
from maquette.landscapes.world import Landscape
from small_landscapes import SIZES, WORLD, small_generator


@pytest.fixture(scope="module")
def renderer() -> LandscapeRenderer:
    return LandscapeRenderer.of(small_generator(), World(3, WORLD).window(), reach=300.0)


@pytest.fixture(scope="module")
def camera():
    return camera_at(torch.tensor([20.0, 20.0, 22.0]), 40.0, -20.0, 60.0, 24, 32)


STYLE = draw_style(0, 1, SIZES.style)


def test_a_picture_has_the_camera_s_size_and_its_rim_is_that_of_a_larger_one(renderer, camera):
    shot = renderer.shoot(camera, STYLE)
    assert shot.rgb.shape == (24, 32, 3) and shot.depth.shape == shot.labels.shape == (24, 32)
    # The sky's mean over the picture is what is left of rays that meet land, so both pictures are of land alone.
    down = dataclasses.replace(camera_at(torch.tensor([30.0, 30.0, 40.0]), 0.0, -90.0, 30.0, 24, 32))
    dense = small_generator()
    torch.nn.init.constant_(dense.field.density.bias, 1e4)
    opaque = LandscapeRenderer(dense, renderer.scene, renderer.code, renderer.reach)
    small, large = opaque.shoot(down, STYLE).rgb, opaque.shoot(widened(down, 6), STYLE).rgb[6:-6, 6:-6]
    torch.testing.assert_close(small, large, atol=2e-3, rtol=0)


def test_the_same_camera_and_style_give_the_same_picture(renderer, camera):
    assert torch.equal(renderer.shoot(camera, STYLE).rgb, renderer.shoot(camera, STYLE).rgb)


def test_pictures_do_not_depend_on_how_many_rays_are_computed_at_once(renderer, camera, monkeypatch):
    whole = renderer.shoot(camera, STYLE)
    monkeypatch.setattr(module, "AT_ONCE", 50)
    parts = renderer.shoot(camera, STYLE)
    torch.testing.assert_close(whole.rgb, parts.rgb, atol=1e-5, rtol=0)
    torch.testing.assert_close(whole.depth, parts.depth, atol=1e-4, rtol=0)


def test_the_window_from_above_has_no_seams_between_tiles(renderer, monkeypatch):
    whole = renderer.from_above(48, STYLE)
    monkeypatch.setattr(module, "_TILE", 16)
    torch.testing.assert_close(whole, renderer.from_above(48, STYLE), atol=1e-5, rtol=0)


def test_a_generator_that_has_learnt_with_less_padding_has_no_seams_either(renderer, camera, monkeypatch):
    generator = small_generator()
    generator.architecture = dataclasses.replace(SIZES, padding=3)
    renderer = dataclasses.replace(renderer, generator=generator)
    whole = renderer.from_above(48, STYLE)
    assert renderer.shoot(camera, STYLE).rgb.shape == (camera.height, camera.width, 3)
    monkeypatch.setattr(module, "_TILE", 16)
    torch.testing.assert_close(whole, renderer.from_above(48, STYLE), atol=1e-5, rtol=0)


def test_the_window_from_above_lies_like_a_map(renderer):
    rows = torch.arange(64)
    view = renderer._down(rows, rows, 64)
    assert view.points[0, 0, 0] < 1 and view.points[0, 0, 1] > 62 and view.points[-1, -1, 0] > 62
    labels = renderer.scene.labels
    seen = view.labels[view.kind == 1]
    assert {LABELS[i] for i in seen.unique()} <= {LABELS[i] for i in labels.unique()} | {"sand"}


def test_a_style_changes_colours_and_moves_no_depth_beyond_the_samples_behind_what_a_ray_meets(renderer, camera):
    shots = [renderer.shoot(camera, draw_style(0, number, SIZES.style)) for number in range(3)]
    met = look(renderer.scene, camera, renderer.reach).depth
    land = met.isfinite()
    for shot in shots:
        behind = (shot.depth - met)[land]
        assert behind.min() >= -1e-3 and behind.max() <= SIZES.sample_depth
        assert torch.equal(shot.labels, shots[0].labels) and shot.depth[~land].isinf().all()
    assert (shots[0].rgb - shots[1].rgb).abs().mean() > 1e-3


def test_what_lies_beyond_a_window_is_seen_and_changes_nothing_inside(renderer):
    far = World(3, dataclasses.replace(WORLD, beyond=16)).window()
    wide = LandscapeRenderer.of(renderer.generator, far, renderer.reach)
    assert torch.equal(wide.code, renderer.code)
    down = camera_at(torch.tensor([30.0, 30.0, 40.0]), 0.0, -90.0, 30.0, 24, 32)
    moved = dataclasses.replace(down, c2w=down.c2w + torch.tensor([16.0, 16.0, 0.0, 0.0])[:, None] * torch.eye(4)[3])
    torch.testing.assert_close(wide.shoot(moved, STYLE).rgb, renderer.shoot(down, STYLE).rgb, atol=1e-3, rtol=0)
    # The decoder sees some pixels further, so that the rim of the window shows what lies beyond it.
    above, alone = (each.from_above(32, STYLE)[5:-5, 5:-5] for each in (wide, renderer))
    torch.testing.assert_close(above, alone, atol=1e-3, rtol=0)
    ahead = camera_at(torch.tensor([40.0, 40.0, 30.0]), 0.0, -10.0, 60.0, 24, 32)
    beyond = wide.shoot(ahead, STYLE).depth
    assert beyond.isfinite().sum() > 0 and beyond[beyond.isfinite()].max() > 30


def test_trees_that_are_higher_than_twice_the_ground_are_seen_from_above(renderer):
    columns = plant(np.array([[32, 32]]), np.array([2]), np.ones((64, 64)), 1.0)
    scene = Landscape.of_arrays(np.ones((64, 64)), *np.zeros((2, 64, 64), np.uint8), columns, 3.0)
    rows = torch.arange(64)
    view = dataclasses.replace(renderer, scene=scene)._down(rows, rows, 64)
    assert int((view.kind == 3).sum()) > 20
