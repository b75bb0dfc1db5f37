"""Crops cover a frame of any size, and blending them gives back what every crop agrees on."""

from __future__ import annotations

import pytest
import torch

from maquette.stereo.crops import by_crops, feather, places, working_size
from maquette.stereo.network import Architecture

SMALL = Architecture(shifts=3, first_shift=-1, size=(32, 64), frame=(40, 72), widths=(4, 4, 8, 8, 8), hidden=8)


@pytest.mark.parametrize(
    ("shape", "size"), [((720, 1280), (40, 72)), ((20, 36), (40, 72)), ((100, 300), (32, 96)), ((64, 36), (128, 72))]
)
def test_frames_are_as_wide_as_in_training_and_never_smaller_than_a_crop(shape, size):
    rows, columns = working_size(*shape, SMALL)
    assert abs(rows - size[0]) <= 1 and abs(columns - size[1]) <= 1
    assert rows >= 32 and columns >= 64


@pytest.mark.parametrize("size", [(32, 64), (40, 72), (33, 200), (150, 64)])
def test_crops_cover_every_pixel(size):
    covered = torch.zeros(size)
    for row, column in places(size, (32, 64)):
        covered[row : row + 32, column : column + 64] += 1
        assert row + 32 <= size[0] and column + 64 <= size[1]
    assert covered.min() >= 1


def test_feathered_weights_rise_from_the_border():
    weight = feather((32, 64))
    assert weight[0, 30] < weight[3, 30] < weight[16, 30] == 1 and torch.equal(weight, weight.flip(0, 1))


@pytest.mark.parametrize("shape", [(40, 72), (90, 160), (32, 64)])
def test_what_every_crop_agrees_on_is_the_result(shape):
    left = torch.rand(2, *shape, 3, generator=torch.Generator().manual_seed(0))
    maps = by_crops(lambda crops: crops.permute(0, 3, 1, 2), left, SMALL, batch=3)
    expected = torch.nn.functional.interpolate(
        left.permute(0, 3, 1, 2), working_size(*shape, SMALL), mode="bilinear", antialias=True
    )
    torch.testing.assert_close(maps, expected, rtol=1e-4, atol=1e-4)
