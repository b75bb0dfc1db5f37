"""Speed of the hash grid on this machine's CPU: `python benchmarks/bench_hash_grid.py`."""

from __future__ import annotations

import torch
from contests import Contest, main
from peers_hash_grid import PairGathers, one_table
from timing import Work

from maquette.kernels.hash_grid import HashGridSpec, hash_grid

NERFSTUDIO, BEST_TORCH = "nerfstudio's algorithm in torch", "best plain torch"


def encode(way: str, points: int, log2_table_size: int) -> Work:
    """Encoding of random points, and the gradient of the table."""
    spec = HashGridSpec(log2_table_size=log2_table_size)
    keyed = torch.Generator().manual_seed(0)
    rows = spec.levels * spec.table_size if way == NERFSTUDIO else spec.rows
    table = torch.randn(rows, spec.features_per_level, generator=keyed).requires_grad_()
    positions = torch.rand(points, 3, generator=keyed)
    upstream = torch.randn(points, spec.channels, generator=keyed)

    def encoded() -> torch.Tensor:
        if way == NERFSTUDIO:
            return one_table(positions, table, spec)
        if way == BEST_TORCH:
            return PairGathers.apply(positions, table, spec)
        return hash_grid(positions, table, spec, backend=way)

    return lambda: torch.autograd.grad(encoded(), table, upstream)


def differentiate_twice(way: str, points: int, log2_table_size: int) -> Work:
    """Gradients to points, and the gradient of their squared length to the table: what an eikonal loss takes."""
    spec = HashGridSpec(log2_table_size=log2_table_size)
    keyed = torch.Generator().manual_seed(0)
    table = torch.randn(spec.rows, spec.features_per_level, generator=keyed).requires_grad_()
    positions = torch.rand(points, 3, generator=keyed).requires_grad_()
    upstream = torch.randn(points, spec.channels, generator=keyed)

    def work() -> object:
        encoded = hash_grid(positions, table, spec, backend=way)
        (slope,) = torch.autograd.grad(encoded, positions, upstream, create_graph=True)
        return torch.autograd.grad(slope.square().sum(), table)

    return work


def encode_scene(way: str, points: int, log2_table_size: int) -> Work:
    """Encoding of random positions and scene codes, and the gradients of the table and of the codes."""
    base, finest = (8, 8, 8, 2, 2), (512, 512, 512, 16, 16)
    spec = HashGridSpec(8, 4, log2_table_size, base_resolution=base, finest_resolution=finest, dimensions=5)
    keyed = torch.Generator().manual_seed(0)
    table = torch.randn(spec.rows, spec.features_per_level, generator=keyed).requires_grad_()
    positions = torch.rand(points, 5, generator=keyed).requires_grad_()
    upstream = torch.randn(points, spec.channels, generator=keyed)
    return lambda: torch.autograd.grad(hash_grid(positions, table, spec, backend=way), (positions, table), upstream)


CONTESTS = [
    Contest(
        "hash-grid",
        "hash grid, {points:,} random points, 16 levels x 2, table 2^{log2_table_size}, forward + backward",
        encode,
        ways=("numba", "reference", BEST_TORCH, NERFSTUDIO),
        sizes={"points": 131_072, "log2_table_size": 19},
        small={"points": 64, "log2_table_size": 10},
        targets={NERFSTUDIO: 25, BEST_TORCH: 4},
    ),
    Contest(
        "hash-grid-twice",
        "hash grid, {points:,} random points, 16 levels x 2, table 2^{log2_table_size}, second order",
        differentiate_twice,
        ways=("numba", "reference"),
        sizes={"points": 32_768, "log2_table_size": 15},
        small={"points": 64, "log2_table_size": 10},
    ),
    Contest(
        "hash-grid-scene",
        "hash grid in 5 dimensions, {points:,} random points, 8 levels x 4, table 2^{log2_table_size}, "
        "forward + backward to table and points",
        encode_scene,
        ways=("numba", "reference"),
        sizes={"points": 18_432, "log2_table_size": 16},
        small={"points": 64, "log2_table_size": 10},
    ),
]

if __name__ == "__main__":
    main(CONTESTS, __doc__)
