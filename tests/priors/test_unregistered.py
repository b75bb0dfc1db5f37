"""A module may be held without belonging to its owner."""

import torch
from torch import nn

from maquette.priors.text.unregistered import Unregistered


def test_an_unregistered_module_is_no_part_of_its_owners_state():
    inner, owner = nn.Linear(2, 2), nn.Module()
    owner.inner = Unregistered(inner)
    assert not list(owner.parameters()) and not owner.state_dict() and owner.inner.module is inner
    owner.to(torch.float64)
    assert inner.weight.dtype == torch.float32
