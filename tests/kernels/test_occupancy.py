"""The occupancy grid's update."""

from __future__ import annotations

import torch

from maquette.kernels.occupancy import binarise, cell_points, merge_density

BOX = torch.tensor([[-1.0, 0.0, 0.0], [1.0, 3.0, 1.0]])


def test_points_stay_in_their_cells():
    resolution, cells = (2, 3, 4), torch.arange(24)
    uniform = torch.rand(24, 3, generator=torch.Generator().manual_seed(0))
    points = cell_points(cells, resolution, BOX, uniform)
    index = ((points - BOX[0]) / (BOX[1] - BOX[0]) * torch.tensor(resolution)).floor().long()
    assert torch.equal(index[:, 0] * 12 + index[:, 1] * 4 + index[:, 2], cells)


def test_the_centre_is_the_default():
    expected = torch.tensor([[-0.5, 0.5, 0.125]])
    assert torch.allclose(cell_points(torch.tensor([0]), (2, 3, 4), BOX), expected)


def test_merging_decays_everywhere_and_raises_measured_cells():
    density = torch.tensor([1.0, 2.0, 4.0, 0.0]).reshape(4, 1, 1)
    merged = merge_density(density, torch.tensor([0, 1, 3, 3]), torch.tensor([3.0, 0.1, 0.2, 0.7]), decay=0.5)
    assert torch.allclose(merged.flatten(), torch.tensor([3.0, 1.0, 2.0, 0.7]))
    assert density[0] == 1.0


def test_the_threshold_is_the_smaller_of_the_given_one_and_the_mean():
    density = torch.tensor([0.0, 0.1, 0.2, 0.9]).reshape(1, 2, 2)
    assert binarise(density, threshold=0.15).flatten().tolist() == [False, False, True, True]
    assert binarise(density, threshold=10.0).flatten().tolist() == [False, False, False, True]


def test_a_uniform_grid_is_all_occupied_and_an_empty_one_is_not():
    assert binarise(torch.full((9, 9, 9), 0.1), threshold=1.0).all()
    assert not binarise(torch.zeros(9, 9, 9), threshold=1.0).any()
