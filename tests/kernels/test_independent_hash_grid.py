"""The hash grid beside the two other forms that the benchmark runs, so that it compares what does the same."""

from __future__ import annotations

import pytest
import torch
from peers_hash_grid import PairGathers, one_table

from maquette.kernels.hash_grid import HashGridSpec, hash_grid

ALL_HASHED = HashGridSpec(levels=5, log2_table_size=8, base_resolution=8, finest_resolution=300)
MIXED = HashGridSpec(levels=5, log2_table_size=12, base_resolution=8, finest_resolution=300)
PEERS = [
    pytest.param(ALL_HASHED, one_table, id="nerfstudio's algorithm"),
    pytest.param(ALL_HASHED, PairGathers.apply, id="pairs, all hashed"),
    pytest.param(MIXED, PairGathers.apply, id="pairs, some dense"),
]


@pytest.mark.parametrize("backend", ["reference", "numba"])
@pytest.mark.parametrize(("spec", "peer"), PEERS)
def test_encoding_and_gradient_are_the_peers(spec, peer, backend):
    assert any(spec.dense) == (spec is MIXED)
    keyed = torch.Generator().manual_seed(0)
    points = torch.cat([torch.rand(500, 3, generator=keyed), torch.tensor([[0.0, 0.5, 1.0], [1.0, 0.25, 0.0]])])
    table = torch.randn(spec.rows, 2, generator=keyed).requires_grad_()
    upstream = torch.randn(len(points), spec.channels, generator=keyed)
    ours, theirs = hash_grid(points, table, spec, backend=backend), peer(points, table, spec)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    gradients = [torch.autograd.grad(encoded, table, upstream)[0] for encoded in (ours, theirs)]
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-3)
