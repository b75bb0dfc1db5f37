"""Colours at shifted places of the left view."""

import torch

from maquette.stereo.warping import sample_shifted


def test_a_shift_that_is_not_a_number_gives_no_colour_and_spoils_no_other():
    left, shifts = torch.rand(1, 1, 4, 3), torch.tensor([[[0.0, torch.nan, 0.0, 0.0]]])
    colors = sample_shifted(left, shifts)
    assert colors[0, 0, 1].isnan().all() and torch.equal(colors[0, 0, [0, 2, 3]], left[0, 0, [0, 2, 3]])
