"""A part of a picture is that part of the whole picture."""

import pytest
import torch

from maquette.cameras import Cameras, orbit_cameras

TOP, LEFT, HEIGHT, WIDTH = 3, 10, 8, 12


def whole() -> Cameras:
    turn = torch.tensor([20.0, 140.0])
    return orbit_cameras(turn, turn / 4, torch.full((2,), 3.0), torch.full((2,), 40.0), 32).resized(24, 32)


def test_rays_of_a_part_are_those_of_the_whole():
    part = whole().cropped(TOP, LEFT, HEIGHT, WIDTH)
    for some, all_of_them in zip(part.rays(), whole().rays(), strict=True):
        assert torch.equal(some, all_of_them[:, TOP : TOP + HEIGHT, LEFT : LEFT + WIDTH])


def test_points_fall_on_the_same_pixels():
    points = torch.rand(50, 3) - 0.5

    def pixels(cameras: Cameras) -> torch.Tensor:
        x, y, _, w = cameras.clip_positions(points, 0.1, 10.0).unbind(-1)
        return torch.stack([(1 - y / w) / 2 * cameras.height, (1 + x / w) / 2 * cameras.width], dim=-1)

    corner = torch.tensor([TOP, LEFT])
    part = whole().cropped(TOP, LEFT, HEIGHT, WIDTH)
    torch.testing.assert_close(pixels(part), pixels(whole()) - corner, atol=1e-4, rtol=1e-5)


def test_a_part_of_a_part_is_a_part():
    twice = whole().cropped(2, 6, 20, 20).cropped(TOP - 2, LEFT - 6, HEIGHT, WIDTH)
    assert twice.window == whole().cropped(TOP, LEFT, HEIGHT, WIDTH).window


def test_parts_can_be_taken_apart_and_joined():
    part = whole().cropped(TOP, LEFT, HEIGHT, WIDTH)
    again = Cameras.cat([part[:1], part[1:].to("cpu")])
    assert torch.equal(again.rays()[1], part.rays()[1])


def test_what_is_not_in_the_picture_cannot_be_cropped_from_it():
    with pytest.raises(ValueError, match="rows 20 to 28 and columns 0 to 12 are not all among the 24 rows"):
        whole().cropped(20, 0, HEIGHT, WIDTH)
    with pytest.raises(ValueError, match="resize first, then crop"):
        whole().cropped(0, 0, HEIGHT, WIDTH).resized(64)
