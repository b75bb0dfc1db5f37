"""Sets of pictures are chosen from, made smaller and put on backgrounds without bending colours or cameras."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from maquette.cameras import orbit_cameras
from maquette.data.formats import PosedImages, posed_cameras
from maquette.errors import ConfigError
from maquette.images.resampling import Pinhole, area_resample, centred_view


def a_set(height: int = 8, width: int = 8) -> PosedImages:
    """Three pictures of random colours and alphas."""
    ones = torch.ones(3)
    seen = orbit_cameras(torch.tensor([0.0, 90.0, -120.0]), 20 * ones, 3 * ones, 40 * ones, height)
    images = torch.rand(3, height, width, 4, generator=torch.Generator().manual_seed(0))
    cameras = dataclasses.replace(seen, width=width)
    return PosedImages(images, cameras, ("train", "test", "train"), ("a", "b", "c"))


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
    assert torch.equal(train.images, whole.images[[0, 2]]) and torch.equal(train.cameras.c2w, whole.cameras.c2w[[0, 2]])


def test_a_split_that_is_not_there_is_an_error_that_lists_the_others():
    with pytest.raises(ConfigError, match=r"no 'val' pictures; it has 1 test, 2 train"):
        a_set().select("val")


def test_composited_pictures_show_the_background_where_they_are_transparent():
    whole = a_set()
    images = whole.images.clone()
    images[..., 3] = 0.25
    over = dataclasses.replace(whole, images=images).composited((1.0, 0.0, 0.5))
    torch.testing.assert_close(over, images[..., :3] * 0.25 + torch.tensor([0.75, 0.0, 0.375]))


def test_making_smaller_and_compositing_commute():
    # the mean of premultiplied values is what a larger pixel sees, over any background
    whole, background = a_set(), (0.3, 0.6, 0.9)
    small_then_over = whole.resized(4).composited(background)
    over = whole.composited(background)
    torch.testing.assert_close(small_then_over, over.reshape(3, 4, 2, 4, 2, 3).mean((2, 4)))


def test_transparent_pixels_have_no_say_in_the_colour():
    images = torch.zeros(1, 2, 2, 4)
    images[0, 0, 0] = torch.tensor([1.0, 0.0, 0.0, 1.0])  # one opaque red pixel, three of transparent black
    small = area_resample(images, (1.0, 1.0), (2.0, 2.0), (1, 1))
    torch.testing.assert_close(small[0, 0, 0], torch.tensor([1.0, 0.0, 0.0, 0.25]))


def test_pixels_that_fall_between_are_shared_by_area():
    ramp = torch.arange(3.0)[None, None, :, None].expand(1, 3, 3, 4).clone() / 4
    ramp[..., 3] = 1
    small = area_resample(ramp, (1.5, 1.5), (1.5, 1.5), (2, 2))  # each takes one pixel and half of the next
    torch.testing.assert_close(small[0, 0, :, 0] * 4, torch.tensor([1 / 3, 5 / 3]))


def test_the_angle_of_view_survives_a_change_of_size_and_columns_follow_in_proportion():
    wide = a_set(height=8, width=12)
    small = wide.resized(4)
    assert (small.cameras.height, small.cameras.width) == (4, 6) and small.images.shape == (3, 4, 6, 4)
    assert torch.equal(small.cameras.fov_y_deg, wide.cameras.fov_y_deg)


def test_pictures_are_never_enlarged():
    with pytest.raises(ConfigError, match="8 rows, fewer than 9"):
        a_set().resized(9)


def test_an_off_centre_lens_keeps_what_lies_about_its_principal_point():
    picture = torch.rand(10, 12, 4, generator=torch.Generator().manual_seed(0)).clamp(min=0.1)
    view, fov_y_deg = centred_view(picture, Pinhole(20.0, 20.0, 5.0, 6.0, 12, 10), None)
    torch.testing.assert_close(view, picture[2:, :10])
    assert fov_y_deg == pytest.approx(2 * torch.rad2deg(torch.atan(torch.tensor(4 / 20))).item())


def test_a_lens_with_oblong_pixels_is_averaged_along_their_short_side():
    picture = torch.rand(4, 8, 4, generator=torch.Generator().manual_seed(0))
    picture[..., 3] = 1
    view, _ = centred_view(picture, Pinhole(40.0, 20.0, 4.0, 2.0, 8, 4), None)
    torch.testing.assert_close(view, picture.reshape(4, 4, 2, 4).mean(2))


def test_a_set_whose_cameras_do_not_fit_its_pictures_is_refused():
    whole = a_set()
    with pytest.raises(ValueError, match="shape"):
        dataclasses.replace(whole, cameras=whole.cameras.resized(9))
    with pytest.raises(ValueError, match="1 names"):
        dataclasses.replace(whole, names=("a",))
