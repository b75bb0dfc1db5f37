"""The network that decodes encodings."""

import pytest
import torch
from torch import nn

from maquette.geometry._mlp import mlp


@pytest.mark.parametrize("layers", [0, 1, 3])
def test_an_mlp_has_as_many_hidden_layers_as_it_is_told(layers):
    network = mlp(4, 8, layers, 2)
    linear = [layer for layer in network if isinstance(layer, nn.Linear)]
    assert len(linear) == layers + 1 and network(torch.zeros(5, 4)).shape == (5, 2)
    assert linear[-1].out_features == 2 and (linear[-1].bias == 0).all()


def test_outputs_keep_the_precision_of_the_inputs_under_autocast():
    network = mlp(4, 8, 1, 2)
    with torch.autocast("cpu", torch.bfloat16):
        assert network(torch.zeros(5, 4)).dtype == torch.float32
