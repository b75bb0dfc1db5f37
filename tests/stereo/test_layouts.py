"""Layouts of two views, and the sign of the anaglyph: the red glass before the left eye lets the left view through."""

from __future__ import annotations

import pytest
import torch

from maquette.stereo.layouts import anaglyph, grey_shifts, half_side_by_side, over_under, side_by_side


def one_column(column: int) -> torch.Tensor:
    """A white line on black."""
    view = torch.zeros(1, 6, 20, 3)
    view[:, :, column] = 1
    return view


def test_side_by_side_and_over_under_hold_both_views():
    left, right = one_column(3), one_column(8)
    wide, high = side_by_side(left, right), over_under(left, right)
    assert torch.equal(wide[:, :, :20], left) and torch.equal(wide[:, :, 20:], right)
    assert torch.equal(high[:, :6], left) and torch.equal(high[:, 6:], right)


@pytest.mark.parametrize("columns", [20, 21])
def test_half_side_by_side_has_the_size_of_one_view(columns):
    left, right = torch.full((1, 4, columns, 3), 0.25), torch.full((1, 4, columns, 3), 0.75)
    both = half_side_by_side(left, right)
    assert both.shape == (1, 4, columns + columns % 2, 3)
    assert (both[..., : both.shape[2] // 2, :] == 0.25).all() and (both[..., both.shape[2] // 2 :, :] == 0.75).all()


def test_the_anaglyph_of_a_point_before_the_screen_is_red_at_its_right():
    """Before the screen the left eye's image lies at the right of the right eye's: red at column 12, cyan at 8."""
    both = anaglyph(one_column(12), one_column(8))[0, 0]
    assert both[12, 0] > 0.5 and both[12, 1:].max() < 0.1
    assert both[8, 0] < 0.1 and both[8, 1:].min() > 0.5


def test_the_anaglyph_of_equal_grey_views_is_nearly_that_grey():
    grey = torch.full((1, 2, 2, 3), 0.5)
    torch.testing.assert_close(anaglyph(grey, grey), grey, rtol=0, atol=0.06)


def test_near_shifts_are_bright():
    grey = grey_shifts(torch.tensor([-0.02, 0.0, 0.02]).view(1, 1, 3, 1), (1, 3))[0, 0, :, 0]
    assert grey[0] > 0.5 > grey[2] and grey[1] == 0.5
