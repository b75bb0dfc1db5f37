"""A volume of posed views: cells see the pixels that they project to, pooled whatever the order of the views."""

import pytest
import torch

from maquette.cameras.base import Cameras, orbit_cameras
from maquette.perception.view_volume import ViewVolume, cell_centres, sample_views, with_difference
from maquette.perception.volume_unet import unfold

BOUND = 0.8


def ring(views: int, size: int = 32) -> Cameras:
    one = torch.ones(views)
    return orbit_cameras(torch.arange(views) * 360 / views, 20 * one, 3.2 * one, 35 * one, size)


def ball_pictures(cameras: Cameras, center: tuple[float, float, float], radius: float) -> torch.Tensor:
    """A red ball over white, [V, H, W, 3], by the distance of each ray from its centre."""
    origins, directions = cameras.rays()
    offset = torch.tensor(center) - origins
    along = (offset * directions).sum(-1, keepdim=True)
    hit = (offset - along * directions).norm(dim=-1, keepdim=True) < radius
    return torch.where(hit, torch.tensor([0.8, 0.1, 0.1]), 1.0)


def test_points_sample_the_pixels_whose_rays_pass_through_them():
    cameras = ring(3)
    origins, directions = cameras.rays()
    rows, columns = torch.tensor([3, 20, 28]), torch.tensor([7, 16, 30])
    pictures = torch.rand(3, 4, 32, 32)
    for view in range(3):
        points = origins[view, rows, columns] + 2.9 * directions[view, rows, columns]
        sampled = sample_views(pictures, cameras, points, views=3)
        torch.testing.assert_close(sampled[0, view], pictures[view][:, rows, columns], atol=1e-3, rtol=0)


def test_points_are_projected_in_full_precision_under_autocast():
    pictures, points = torch.rand(3, 4, 32, 32), torch.rand(50, 3) - 0.5
    with torch.autocast("cpu", torch.bfloat16):
        half = sample_views(pictures, ring(3), points, views=3)
    torch.testing.assert_close(half, sample_views(pictures, ring(3), points, views=3))


def test_the_fourth_channel_is_the_difference_from_the_median_of_the_border():
    picture = torch.full((1, 3, 8, 8), 0.7)
    picture[..., 3:5, 3:5] = torch.tensor([0.7, 0.2, 0.9])[:, None, None]
    picture[..., 0, 0] = 0.0  # one pixel does not change the median
    difference = with_difference(picture)[0, 3]
    torch.testing.assert_close(difference[3:5, 3:5], torch.full((2, 2), 0.5))
    assert difference[1, 1] == 0


@pytest.fixture
def volume() -> ViewVolume:
    torch.manual_seed(0)
    return ViewVolume(BOUND, resolution=16, widths=(8, 8, 16), features=4, context=6)


def test_the_minimum_of_the_difference_is_positive_at_the_cells_of_the_object_alone(volume):
    cameras, center = ring(6), (0.2, -0.3, 0.1)
    out, _ = volume(ball_pictures(cameras, center, 0.3)[None], cameras)
    eighths = out[0, 11 * 8 : 12 * 8]  # the last raw channel of the last statistic, folded
    radius = (cell_centres(BOUND, 16) - torch.tensor(center)).norm(dim=1)
    minimum = unfold(eighths[None])[0, 0].flatten()
    assert (minimum[radius < 0.2] > 0.5).all()
    assert (minimum[radius > 0.5] < 0.1).all()


def test_order_and_repetition_of_views_change_nothing(volume):
    cameras, order = ring(4), torch.tensor([2, 0, 3, 1])
    images = torch.rand(4, 32, 32, 3)
    (out, context), (other, other_context) = volume(images[None], cameras), volume(images[order][None], cameras[order])
    torch.testing.assert_close(other, out, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(other_context, context, atol=1e-4, rtol=1e-4)
    twice, _ = volume(torch.cat([images, images])[None], Cameras.cat([cameras, cameras]))
    torch.testing.assert_close(twice, out, atol=1e-4, rtol=1e-4)


def test_objects_of_a_batch_do_not_mix(volume):
    cameras = ring(3)
    images = torch.rand(2, 3, 32, 32, 3)
    both, contexts = volume(images, Cameras.cat([cameras, cameras]))
    alone, context = volume(images[1:], cameras)
    torch.testing.assert_close(both[1:], alone, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(contexts[1:], context, atol=1e-4, rtol=1e-4)
    assert both.shape == (2, volume.channels, 8, 8, 8)
