"""Flights: clear of everything, smooth, and a function of their draws."""

import dataclasses

import numpy as np
import pytest
import torch

from maquette.errors import ConfigError, RunError
from maquette.landscapes import World, WorldConfig
from maquette.landscapes.flight import FlightConfig, check_clear, flight, flight_through, obstacle_height, read_path
from maquette.landscapes.terrain import terrain
from maquette.landscapes.views import camera_at, look
from maquette.randomness import Draws

CONFIG = FlightConfig(frames=60, length=50.0, clearance=2.0, near=2.0, smoothness=6.0)


@pytest.fixture(scope="module")
def scene():
    return World(1, WorldConfig(size=128, scale=0.125, tree_scale=0.3, unbounded=True, relief=True)).window()


def positions(cameras) -> np.ndarray:
    return np.stack([camera.c2w[0, :3, 3].numpy() for camera in cameras])


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_flight_keeps_clear_of_ground_water_and_trees(scene, seed):
    cameras = flight(scene, Draws(seed, 0), CONFIG, 16, 24)
    for camera in cameras:
        assert look(scene, camera).depth.min() > 1.0
    places = positions(cameras)
    i, j = np.round(places[:, :2]).astype(int).T
    assert (places[:, 2] >= obstacle_height(scene)[i, j] + CONFIG.clearance - 1e-3).all()


def test_a_flight_is_smooth(scene):
    places = positions(flight(scene, Draws(3, 0), CONFIG, 16, 24))
    steps = np.linalg.norm(np.diff(places[:, :2], axis=0), axis=1)
    assert steps.max() < 2.5 * steps.mean()
    assert np.abs(np.diff(places[:, 2], n=2)).max() < 0.25


def test_the_same_draws_give_the_same_flight_and_others_another(scene):
    first, again, other = (positions(flight(scene, Draws(seed, 0), CONFIG, 8, 8)) for seed in (4, 4, 5))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_obstacles_are_ground_water_or_the_tops_of_trees(scene):
    top = obstacle_height(scene)
    assert (top >= 0).all() and (top >= scene.height.numpy()).all()
    trees = scene.tree_bits.numpy() > 0
    assert (top[trees] > scene.tree_base.numpy()[trees]).all()


def test_a_window_that_is_too_small_is_named(scene):
    with pytest.raises(ValueError, match="no path of 500 cells fits into a window of 128 x 128"):
        flight(scene, Draws(0, 0), FlightConfig(length=500.0), 8, 8)


def test_a_path_through_points_is_flown_evenly_and_passes_them(scene):
    points = np.array([[20.0, 20.0], [60.0, 30.0], [60.0, 30.0], [100.0, 100.0]])
    places = positions(flight_through(scene, points, CONFIG, 8, 8))[:, :2]
    steps = np.linalg.norm(np.diff(places, axis=0), axis=1)
    assert steps.max() < 1.05 * steps.min()
    for point in points:
        assert np.linalg.norm(places - point, axis=1).min() < steps.max()


def test_two_points_are_joined_by_a_line(scene):
    places = positions(flight_through(scene, np.array([[20.0, 20.0], [60.0, 60.0]]), CONFIG, 8, 8))
    assert np.allclose(places[:, 0], places[:, 1])


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([[20.0, 20.0]], "at least two different points"),
        (np.zeros((0, 2)), "at least two different points"),
        ([[20.0, 20.0], [200.0, 20.0]], r"leaves the window \(x from 0 to 127, y from 0 to 127\) at \(129.8, 20.0\)"),
    ],
)
def test_points_without_a_path_are_named(scene, points, message):
    with pytest.raises(ValueError, match=message):
        flight_through(scene, np.array(points), CONFIG, 8, 8)


def test_a_file_of_points_is_read_and_a_wrong_line_is_named(tmp_path):
    (tmp_path / "path.txt").write_text("# a path\n12, 13.5\n40 50 # there\n\n")
    assert read_path(tmp_path / "path.txt").tolist() == [[12, 13.5], [40, 50]]
    for wrong in ("12", "1 2 3", "nan 1", "a, b"):
        (tmp_path / "wrong.txt").write_text(f"1 2\n{wrong}\n")
        with pytest.raises(ConfigError, match=r"is no point .*wrong.txt:2"):
            read_path(tmp_path / "wrong.txt")


def test_a_short_path_is_evened_out_over_all_its_frames_and_no_more(scene):
    config = dataclasses.replace(CONFIG, frames=4, length=1e-6)
    assert len(flight(scene, Draws(0, 0), config, 8, 8)) == 4


def test_a_file_of_points_that_is_no_text_is_named(tmp_path):
    (tmp_path / "path.bin").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(ConfigError, match=r"(a file of points is text|is no point).*path.bin"):
        read_path(tmp_path / "path.bin")


def test_a_camera_in_the_ground_is_refused_with_its_frame(scene):
    cameras = flight(scene, Draws(0, 0), CONFIG, 8, 8)
    check_clear(scene, cameras)
    x, y, _ = positions(cameras)[7]
    cameras[7] = camera_at(torch.tensor([x, y, -2.0]), 0.0, 0.0, 50.0, 8, 8)
    with pytest.raises(RunError, match=r"the camera of frame 7 is at -2\.00 cells"):
        check_clear(scene, cameras)


@pytest.mark.parametrize("step", [1, 4, 5])
def test_terrain_faces_up_and_lies_on_what_is_seen_from_above(scene, step):
    mesh = terrain(scene, step)
    a, b, c = (mesh.vertices[mesh.faces[:, corner]] for corner in range(3))
    assert (np.cross(b - a, c - a)[:, 2] > 0).all()
    assert np.abs(mesh.vertices[:, :2]).max() == 1 and mesh.uv.min() == 0 and mesh.uv.max() == 1
    i, j = np.round(mesh.uv * 127).astype(int).T
    heights, top = mesh.vertices[:, 2] * 127 / 2, obstacle_height(scene)[i, j]
    assert (heights >= top - 1e-4).all() and (step > 1 or np.allclose(heights, top, atol=1e-4))
