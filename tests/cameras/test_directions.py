"""Where a camera stands among front, side and back."""

import pytest
import torch

from maquette.cameras.directions import view_weights, wrap_deg


def test_azimuths_are_wrapped_into_half_turns_either_way():
    azimuth = torch.tensor([-540.0, -190.0, 0.0, 179.0, 180.0, 725.0])
    assert wrap_deg(azimuth).tolist() == [-180, 170, 0, 179, -180, 5]


@pytest.mark.parametrize(
    ("azimuth", "front", "side", "back"),
    [(0, 1, 0, 0), (30, 2 / 3, 1 / 3, 0), (90, 0, 1, 0), (-120, 0, 2 / 3, 1 / 3), (180, 0, 0, 1), (270, 0, 1, 0)],
)
def test_weights_go_over_linearly_from_view_to_view(azimuth, front, side, back):
    weights = view_weights(torch.tensor([float(azimuth)]))
    assert [float(x) for x in (weights.front, weights.side, weights.back)] == pytest.approx([front, side, back])


def test_weights_sum_to_one_and_are_the_same_on_both_sides():
    azimuth = torch.linspace(-400, 400, 321)
    one, other = view_weights(azimuth), view_weights(-azimuth)
    torch.testing.assert_close(one.front + one.side + one.back, torch.ones(321))
    torch.testing.assert_close(one.side, other.side, atol=1e-5, rtol=0)
