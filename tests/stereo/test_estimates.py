"""Right views of probabilities, of shifts of the left view with holes filled, and of colours; and averages."""

from __future__ import annotations

import pytest
import torch

from maquette.errors import ConfigError
from maquette.stereo.base import Depth3D, running_average
from maquette.stereo.constant_disparity import ConstantDisparity
from maquette.stereo.estimates import LeftShifts, RightColors, RightShifts, ShiftProbabilities
from maquette.stereo.warping import fill_holes, shifts_at_right

NEUTRAL = Depth3D()


def stripes(columns: int = 40) -> torch.Tensor:
    return torch.rand(1, 4, columns, 3, generator=torch.Generator().manual_seed(0))


def test_probabilities_shift_by_fractions_of_the_width():
    left = stripes()
    delta = torch.zeros(1, 2, 1, 1)
    delta[:, 1] = 1
    view = ShiftProbabilities(delta, (0.1, -0.05)).right_view(left, NEUTRAL)
    assert torch.equal(view.rgb[:, :, :-2], left[:, :, 2:])
    assert view.shift is not None and view.shift.flatten().tolist() == pytest.approx([-0.05])


def test_strength_scales_shifts_and_convergence_adds_to_them():
    left, estimate = stripes(), ShiftProbabilities(torch.ones(1, 1, 1, 1), (0.1,))
    view = estimate.right_view(left, Depth3D(strength=0.5, convergence=0.05))
    assert torch.equal(view.rgb[:, :, 4:], left[:, :, :-4])


def test_the_most_probable_shift_is_a_mean_about_the_peak_and_far_ones_do_not_count():
    probabilities = torch.tensor([0.3, 0.0, 0.0, 0.0, 0.35, 0.35]).view(1, 6, 1, 1)
    estimate = ShiftProbabilities(probabilities, (-0.1, -0.08, -0.06, -0.04, 0.02, 0.04))
    shifts = estimate.most_probable()
    assert float(shifts.values) == pytest.approx(0.03) and isinstance(shifts, RightShifts)


@pytest.mark.parametrize("shift", [-3, 3])
def test_shifts_that_reach_beyond_the_frame_are_cut_and_show_the_same(shift):
    left, mixture = torch.rand(1, 4, 40, 3), ShiftProbabilities(torch.ones(1, 1, 4, 8), (shift / 8,))
    single = mixture.most_probable()
    expected = torch.arange(1.0, 9).clamp(max=3)
    torch.testing.assert_close(single.shifts * 8, (expected if shift > 0 else -expected.flip(0)).expand(1, 1, 4, 8))
    torch.testing.assert_close(single.right_view(left, NEUTRAL).rgb, mixture.right_view(left, NEUTRAL).rgb)


def test_one_shift_of_each_pixel_shows_one_copy():
    left = stripes()
    view = RightShifts(torch.full((1, 1, 1, 1), 0.05)).right_view(left, Depth3D(strength=2.0, convergence=-0.05))
    torch.testing.assert_close(view.rgb[:, :, 2:], left[:, :, :-2])


def test_constant_disparity_moves_everything_alike():
    left = stripes()
    view = ConstantDisparity(ConstantDisparity.Config(shift=0.025)).estimate(left).right_view(left, NEUTRAL)
    assert torch.equal(view.rgb[:, :, 1:], left[:, :, :-1])


def test_warping_lets_near_pixels_cover_far_ones_and_fills_holes_from_behind():
    shifts = torch.zeros(1, 1, 10)
    shifts[..., 4:6] = -2.0  # two near columns go two to the left, and leave two behind
    right = shifts_at_right(shifts)
    assert right[0, 0, 2:4].tolist() == [-2, -2] and right[0, 0, 4:6].isnan().all()
    assert fill_holes(right)[0, 0].tolist() == [0, 0, -2, -2, 0, 0, 0, 0, 0, 0]


def test_the_warp_of_constant_shifts_is_that_of_probabilities():
    left = stripes()
    warped = LeftShifts(torch.full((1, 1, 2, 5), 0.05)).right_view(left, NEUTRAL)
    selected = ShiftProbabilities(torch.ones(1, 1, 1, 1), (0.05,)).right_view(left, NEUTRAL)
    assert torch.equal(warped.rgb[:, :, 2:], selected.rgb[:, :, 2:])


def test_regressed_colours_refuse_another_depth():
    estimate = RightColors(torch.rand(1, 3, 2, 4))
    assert estimate.right_view(stripes(), NEUTRAL).shift is None
    with pytest.raises(ConfigError, match="no shifts to change"):
        estimate.right_view(stripes(), Depth3D(strength=0.5))


def test_running_averages_go_on_where_they_stopped():
    values = torch.rand(6, 2, 3, generator=torch.Generator().manual_seed(0))
    whole = running_average(values, None, 0.7)
    first = running_average(values[:4], None, 0.7)
    torch.testing.assert_close(torch.cat([first, running_average(values[4:], first[-1:], 0.7)]), whole)
    assert torch.equal(running_average(values, None, 0.0), values)
