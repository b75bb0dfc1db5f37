"""Sets of pictures are chosen from and made smaller without bending colours or cameras."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from maquette.cameras import orbit_cameras
from maquette.data.formats import PosedImages, posed_cameras
from maquette.errors import ConfigError
from maquette.images.picture import Picture


def a_set(height: int = 8, width: int = 8) -> PosedImages:
    """Three pictures of random colours and alphas."""
    ones = torch.ones(3)
    seen = orbit_cameras(torch.tensor([0.0, 90.0, -120.0]), 20 * ones, 3 * ones, 40 * ones, height)
    rgba = torch.rand(3, height, width, 4, generator=torch.Generator().manual_seed(0))
    cameras = dataclasses.replace(seen, width=width)
    return PosedImages(Picture.from_rgba(rgba), cameras, ("train", "test", "train"), ("a", "b", "c"))


def test_orbit_angles_follow_from_the_matrices():
    azimuth_deg, elevation_deg = torch.tensor([0.0, 90.0, -120.0]), torch.tensor([0.0, 75.0, -30.0])
    distance = torch.tensor([1.0, 2.0, 3.2])
    told = orbit_cameras(azimuth_deg, elevation_deg, distance, 40 * torch.ones(3), 8)
    found = posed_cameras(told.c2w, told.fov_y_deg, 8, 8)
    for name in ("azimuth_deg", "elevation_deg", "distance", "light"):
        torch.testing.assert_close(getattr(found, name), getattr(told, name), atol=2e-5, rtol=1e-5)


def test_a_split_keeps_pictures_and_cameras_together():
    whole = a_set()
    train = whole.select("train")
    assert train.names == ("a", "c") and train.split == ("train", "train")
    assert torch.equal(train.picture.rgba, whole.picture.rgba[[0, 2]])
    assert torch.equal(train.cameras.c2w, whole.cameras.c2w[[0, 2]])


def test_a_split_that_is_not_there_is_an_error_that_lists_the_others():
    with pytest.raises(ConfigError, match=r"no 'val' pictures; it has 1 test, 2 train"):
        a_set().select("val")


def test_making_smaller_and_compositing_commute():
    # the mean of premultiplied values is what a larger pixel sees, over any background
    whole, background = a_set(), (0.3, 0.6, 0.9)
    small_then_over = whole.resized(4).picture.over(background)
    over = whole.picture.over(background)
    torch.testing.assert_close(small_then_over, over.reshape(3, 4, 2, 4, 2, 3).mean((2, 4)))


def test_the_angle_of_view_survives_a_change_of_size_and_columns_follow_in_proportion():
    wide = a_set(height=8, width=12)
    small = wide.resized(4)
    assert (small.cameras.height, small.cameras.width) == (4, 6) and small.picture.color.shape == (3, 4, 6, 3)
    assert torch.equal(small.cameras.fov_y_deg, wide.cameras.fov_y_deg)


def test_pictures_are_never_enlarged():
    with pytest.raises(ConfigError, match="8 rows, fewer than 9"):
        a_set().resized(9)


def test_a_set_whose_cameras_do_not_fit_its_pictures_is_refused():
    whole = a_set()
    with pytest.raises(ValueError, match="shape"):
        dataclasses.replace(whole, cameras=whole.cameras.resized(9))
    with pytest.raises(ValueError, match="1 names"):
        dataclasses.replace(whole, names=("a",))
