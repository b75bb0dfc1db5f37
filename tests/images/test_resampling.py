"""Pictures are made smaller by area, and lenses centred, without bending colors."""

import pytest
import torch

from maquette.images.picture import Picture
from maquette.images.resampling import (
    Pinhole,
    area_mean,
    area_resample,
    centred_extent,
    common_view,
    downsample,
    pinhole_view,
)


def centred_view(picture: Picture, lens: Pinhole, size: int | None) -> tuple[Picture, float]:
    """All that lies about the principal point of one camera, in `size` rows or in the pixels' size, and its angle."""
    view = common_view([centred_extent(lens)], size)
    return pinhole_view(picture, lens, view.focals[0], (view.rows, view.columns))


def test_transparent_pixels_have_no_say_in_the_colour():
    rgba = torch.zeros(1, 2, 2, 4)
    rgba[0, 0, 0] = torch.tensor([1.0, 0.0, 0.0, 1.0])  # one opaque red pixel, three of transparent black
    small = area_resample(Picture.from_rgba(rgba), (1.0, 1.0), (2.0, 2.0), (1, 1))
    torch.testing.assert_close(small.rgba.flatten(), torch.tensor([1.0, 0.0, 0.0, 0.25]))


def test_pixels_that_fall_between_are_shared_by_area():
    ramp = Picture.opaque(torch.arange(3.0)[None, None, :, None].expand(1, 3, 3, 3) / 4)
    small = area_resample(ramp, (1.5, 1.5), (1.5, 1.5), (2, 2))  # each takes one pixel and half of the next
    torch.testing.assert_close(small.color[0, 0, :, 0] * 4, torch.tensor([1 / 3, 5 / 3]))


def test_an_off_centre_lens_keeps_what_lies_about_its_principal_point():
    rgba = torch.rand(1, 10, 12, 4, generator=torch.Generator().manual_seed(0)).clamp(min=0.1)
    view, fov_y_deg = centred_view(Picture.from_rgba(rgba), Pinhole(20.0, 20.0, 5.0, 6.0, 12, 10), None)
    torch.testing.assert_close(view.rgba, rgba[:, 2:, :10])
    assert fov_y_deg == pytest.approx(2 * torch.rad2deg(torch.atan(torch.tensor(4 / 20))).item())


def test_a_lens_with_oblong_pixels_is_averaged_along_their_short_side():
    color = torch.rand(1, 4, 8, 3, generator=torch.Generator().manual_seed(0))
    view, _ = centred_view(Picture.opaque(color), Pinhole(40.0, 20.0, 4.0, 2.0, 8, 4), None)
    torch.testing.assert_close(view.color, color.reshape(1, 4, 4, 2, 3).mean(3))


def test_a_picture_of_that_size_comes_back_as_it_is():
    picture = Picture.from_rgba(torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(0)))
    assert area_resample(picture, (1.5, 2.0), (1.0, 1.0), (3, 4)) is picture


def test_a_lens_that_sees_nothing_of_its_picture_is_refused():
    picture = Picture.opaque(torch.zeros(1, 4, 4, 3))
    with pytest.raises(ValueError, match="no picture of 4 x 4 pixels has this"):
        centred_view(picture, Pinhole(4.0, 4.0, 4.0, 2.0, 4, 4), None)
    with pytest.raises(ValueError, match="the picture has 4 rows about its principal point"):
        centred_view(picture, Pinhole(4.0, 4.0, 2.0, 2.0, 4, 4), 5)


def test_weighted_means_keep_the_range_of_the_values():
    values, weights = torch.tensor([-10.0, 30.0]).view(1, 1, 2, 1), torch.tensor([3.0, 1.0]).view(1, 1, 2, 1)
    mean, weight = area_mean(values, weights, (0.5, 1.0), (1.0, 2.0), (1, 1))
    assert (mean.item(), weight.item()) == (0.0, 2.0)


def test_downsampling_averages_blocks():
    images = torch.rand(2, 6, 4, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(downsample(images, (3, 2)), images.reshape(2, 3, 2, 2, 2, 3).mean((2, 4)))
