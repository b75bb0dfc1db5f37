"""Ranges of pixel values."""

import numpy as np
import torch

from maquette.images.pixels import to_bytes, to_pixels, to_rgb


def test_bytes_are_rounded_and_cut():
    assert to_bytes(np.array([-0.5, 0.0, 0.499 / 255, 0.501 / 255, 1.0, 2.0])).tolist() == [0, 0, 0, 1, 255, 255]
    assert np.array_equal(to_bytes(np.arange(256, dtype=np.float32) / 255), np.arange(256))


def test_black_is_minus_one_and_white_is_one():
    rgb = torch.tensor([[0.0, 0.5, 1.0]]).view(1, 1, 1, 3)
    assert to_pixels(rgb).shape == (1, 3, 1, 1) and to_pixels(rgb).flatten().tolist() == [-1, 0, 1]


def test_the_way_back_cuts_what_is_out_of_range():
    pixels = torch.tensor([-3.0, 0.5, 3.0]).view(1, 3, 1, 1)
    assert to_rgb(pixels).flatten().tolist() == [0, 0.75, 1]
    rgb = torch.rand(2, 4, 5, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(to_rgb(to_pixels(rgb)), rgb)
