"""The network of Deep3D: the original's names and shapes, bilinear deconvolutions, and what its sizes must obey."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from deep3d_shapes import SMALL, original_shapes
from maquette.randomness import Draws
from maquette.stereo.network import Architecture, MultiScaleNetwork, upsampling


def test_the_full_size_has_the_names_and_shapes_of_the_original():
    with torch.device("meta"):
        network = MultiScaleNetwork(Architecture())
        result = network(torch.empty(2, 160, 384, 3))
    assert {name: tuple(value.shape) for name, value in network.named_parameters()} == original_shapes()
    assert result.shape == (2, 33, 160, 384)


def test_the_original_shifts_from_15_columns_to_the_left_to_16_to_the_right():
    assert Architecture().columns == tuple(range(-15, 17)) and Architecture().outputs == 33


@pytest.mark.parametrize("factor", [1, 2, 8])
def test_a_deconvolution_begins_as_bilinear_interpolation(factor):
    values = torch.rand(1, 2, 5, 6, generator=torch.Generator().manual_seed(0))
    expected = functional.interpolate(values, scale_factor=factor, mode="bilinear")
    inner = slice(factor, -factor)
    torch.testing.assert_close(upsampling(2, factor)(values)[..., inner, inner], expected[..., inner, inner])


def test_without_branches_only_the_coarsest_scale_predicts():
    network = MultiScaleNetwork(Architecture(**{**vars(SMALL), "branches": False}))
    names = {name.split(".")[0] for name, _ in network.named_parameters()}
    assert {name for name in names if "pred" in name} == {"pred5", "deconv_pred5", "deconv_predup"}
    assert network(torch.rand(1, 32, 64, 3)).shape == (1, 4, 32, 64)


def test_dropout_is_keyed_and_off_without_draws():
    network = MultiScaleNetwork(SMALL).eval()
    network.initialise()
    rgb = torch.rand(2, 32, 64, 3)
    assert torch.equal(network(rgb), network(rgb))
    assert torch.equal(network(rgb, Draws(0, 1)), network(rgb, Draws(0, 1)))
    assert not torch.equal(network(rgb, Draws(0, 1)), network(rgb, Draws(0, 2)))


def test_sizes_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="multiples of 32"):
        Architecture(size=(100, 384))
    with pytest.raises(ValueError, match="has no crops"):
        Architecture(frame=(100, 384))
