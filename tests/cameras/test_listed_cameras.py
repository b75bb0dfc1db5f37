"""Cameras stand where the list says, at every step."""

import pytest
import torch

from maquette.cameras import orbit_cameras
from maquette.cameras.list import ListedCameras
from maquette.config.schedules import Schedule
from maquette.randomness import Draws, Moment


def test_cameras_are_those_of_the_list_and_shorter_lists_start_over():
    listed = ListedCameras(
        ListedCameras.Config(azimuth_deg=(30, 90, 150, 210), elevation_deg=(20, -10), azimuth_offset_deg=5)
    ).sample(Moment(0, 10, Draws(0, 0)))
    ones = torch.ones(4)
    azimuths, elevations = torch.tensor([35.0, 95.0, 155.0, 215.0]), torch.tensor([20.0, -10.0, 20.0, -10.0])
    torch.testing.assert_close(listed.c2w, orbit_cameras(azimuths, elevations, 3 * ones, 40 * ones, 64).c2w)
    assert torch.equal(listed.azimuth_deg, azimuths) and torch.equal(listed.elevation_deg, elevations)


def test_only_the_size_changes_with_the_step():
    sampler = ListedCameras(ListedCameras.Config(distance=(2.0, 4.0), size=Schedule.parse([[0, 16], [10, 32]])))
    early, late = (sampler.sample(Moment(step, 10, Draws(0, step))) for step in (0, 10))
    assert torch.equal(early.c2w, late.c2w) and (early.height, late.height) == (16, 32)


@pytest.mark.parametrize("elevations", [(), (1.0, 2.0, 3.0)])
def test_lists_that_do_not_go_into_each_other_are_refused(elevations):
    with pytest.raises(ValueError, match=rf"elevation_deg has {len(elevations)} entries, .* evenly into 4 cameras"):
        ListedCameras.Config(elevation_deg=elevations)
