"""Cameras keep to the project's conventions."""

import torch

from maquette.cameras import Cameras, orbit_cameras
from maquette.cameras.fixed import Fixed
from maquette.cameras.multiview_orbit import MultiviewOrbit
from maquette.cameras.orbit import Orbit
from maquette.cameras.random_orbit import RandomOrbit
from maquette.config.schedules import Schedule
from maquette.randomness import Draws, Moment


def at(azimuth: float, elevation: float) -> Cameras:
    one = torch.ones(1)
    return orbit_cameras(one * azimuth, one * elevation, one * 3, one * 40, 9)


def test_azimuth_zero_stands_on_the_front_and_grows_counter_clockwise():
    torch.testing.assert_close(at(0, 0).c2w[0, :3, 3], torch.tensor([3.0, 0, 0]))
    torch.testing.assert_close(at(90, 0).c2w[0, :3, 3], torch.tensor([0, 3.0, 0]), atol=1e-5, rtol=0)


def test_the_middle_ray_looks_at_the_origin():
    origins, directions = at(30, 20).rays()
    torch.testing.assert_close(origins[0, 4, 4] + 3 * directions[0, 4, 4], torch.zeros(3), atol=1e-5, rtol=0)


def test_rows_go_down_and_columns_right():
    _, directions = at(0, 0).rays()  # looking along -x, right is +y
    assert directions[0, 0, 4, 2] > 0 > directions[0, 8, 4, 2]
    assert directions[0, 4, 8, 1] > 0 > directions[0, 4, 0, 1]


def test_matrices_are_rotations_even_straight_from_above():
    for elevation in (0.0, 60.0, 90.0, -90.0):
        rotation = at(17, elevation).c2w[0, :3, :3]
        torch.testing.assert_close(rotation @ rotation.T, torch.eye(3), atol=1e-5, rtol=0)
        assert torch.linalg.det(rotation) > 0.99


def test_cameras_straight_above_turn_with_their_azimuth():
    for azimuth in (0.0, 17.0, 200.0):
        below, above = (at(azimuth, elevation).c2w[0, :3, 0] for elevation in (89.9, 90.0))
        torch.testing.assert_close(below, above, atol=1e-4, rtol=0)


def test_the_angle_of_view_spans_the_picture():
    _, directions = at(0, 0).rays()
    edge = torch.rad2deg(torch.atan2(directions[0, 0, 4, 2], -directions[0, 0, 4, 0]))
    assert abs(float(edge) - 20 * 8 / 9) < 0.7


def test_random_orbit_cameras_keep_to_their_ranges_and_repeat():
    sampler = RandomOrbit(RandomOrbit.Config(batch=500, elevation_deg=(-10, 60), distance=(2, 3), fov_y_deg=(30, 40)))
    first, again, other = (sampler.sample(Moment(step, 10, Draws(0, step))) for step in (1, 1, 2))
    assert torch.equal(first.c2w, again.c2w) and not torch.equal(first.c2w, other.c2w)
    assert first.elevation_deg.min() >= -10 and first.elevation_deg.max() <= 60
    assert first.distance.min() >= 2 and first.distance.max() <= 3
    assert first.azimuth_deg.max() - first.azimuth_deg.min() > 330


def test_area_uniform_elevations_are_uniform_in_their_sine():
    sampler = RandomOrbit(RandomOrbit.Config(batch=4000, elevation_deg=(0, 90), elevation="sphere"))
    sines = torch.sin(torch.deg2rad(sampler.sample(Moment(0, 1, Draws(0, 0))).elevation_deg))
    assert abs(float(sines.mean()) - 0.5) < 0.02 and abs(float(sines.var()) - 1 / 12) < 0.01


def test_widening_grows_the_range():
    sampler = RandomOrbit(RandomOrbit.Config(batch=200, widening=Schedule.parse([[0, 0.0], [100, 1.0]])))
    assert sampler.sample(Moment(0, 100, Draws(0, 0))).azimuth_deg.abs().max() == 0
    assert sampler.sample(Moment(100, 100, Draws(0, 1))).azimuth_deg.abs().max() > 150


def test_an_orbit_is_evenly_spaced_from_the_front():
    cameras = Orbit(Orbit.Config(views=4)).sample(Moment(0, 1, Draws(0, 0)))
    assert cameras.azimuth_deg.tolist() == [0, 90, 180, 270]


def test_a_fixed_camera_stays():
    sampler = Fixed(Fixed.Config(azimuth_deg=30))
    assert torch.equal(sampler.sample(Moment(0, 9, Draws(0, 0))).c2w, sampler.sample(Moment(5, 9, Draws(1, 5))).c2w)


def test_batches_join_and_divide():
    both = Cameras.cat([at(0, 0), at(90, 0)])
    assert len(both) == 2 and both[1:].azimuth_deg.tolist() == [90]


def test_multiview_orbit_groups_are_even_rings_of_their_own():
    sampler = MultiviewOrbit(MultiviewOrbit.Config(groups=Schedule.constant(2), views=3))
    cameras = sampler.sample(Moment(0, 1, Draws(0, 0)))
    turns = (cameras.azimuth_deg.view(2, 3).diff(dim=1) % 360).flatten()
    torch.testing.assert_close(turns, torch.full((4,), 120.0), atol=1e-3, rtol=0)
    for values in (cameras.elevation_deg, cameras.distance, cameras.fov_y_deg):
        first, second = values.view(2, 3)
        assert (first == first[0]).all() and (second == second[0]).all() and first[0] != second[0]
    assert cameras.azimuth_deg[0] != cameras.azimuth_deg[3] and cameras.azimuth_deg.abs().max() <= 180


def test_distances_of_groups_keep_the_size_in_the_picture():
    cameras = MultiviewOrbit(MultiviewOrbit.Config(groups=Schedule.constant(300))).sample(Moment(0, 1, Draws(0, 0)))
    height = 2 * cameras.distance * torch.tan(torch.deg2rad(cameras.fov_y_deg) / 2)
    assert 1.6 <= height.min() < 1.65 and 1.95 < height.max() <= 2.0001
    assert cameras.fov_y_deg.min() < 16 and cameras.fov_y_deg.max() > 59


def test_the_number_of_groups_may_change():
    config = MultiviewOrbit.Config(groups=Schedule.parse({"type": "step", "from": 2, "to": 1, "start": 0, "end": 5}))
    sampler = MultiviewOrbit(config)
    assert [len(sampler.sample(Moment(step, 10, Draws(0, step)))) for step in (0, 4, 5)] == [8, 8, 4]
