"""Speed of every kernel and backend on this machine's CPU: `python benchmarks/bench_kernels.py`.

Backends alternate within each round, so that a busy machine slows all of them alike; the medians and their ratio are
printed. The gradients are timed without the forward pass.
"""

from __future__ import annotations

import argparse

import torch
from timing import Work, alternate

from maquette.kernels.compositing import accumulate, composite
from maquette.kernels.hash_grid import HashGridSpec, hash_grid
from maquette.kernels.marching import march_rays, ray_box

BACKENDS = ("numba", "reference")


def hash_grid_works(backend: str, log2_table_size: int, points: int) -> dict[str, Work]:
    spec = HashGridSpec(log2_table_size=log2_table_size)
    keyed = torch.Generator().manual_seed(0)
    table = torch.randn(spec.rows, spec.features_per_level, generator=keyed)
    positions = torch.rand(points, 3, generator=keyed)
    upstream = torch.randn(points, spec.channels, generator=keyed)
    trained = table.clone().requires_grad_()
    moved = positions.clone().requires_grad_()
    to_trained = hash_grid(positions, trained, spec, backend=backend)
    to_moved = hash_grid(moved, table, spec, backend=backend)
    both = hash_grid(moved, trained, spec, backend=backend)
    (slope,) = torch.autograd.grad(both, moved, upstream, create_graph=True)
    name = f"hash grid 2^{log2_table_size}"
    return {
        f"{name} forward": lambda: hash_grid(positions, table, spec, backend=backend),
        f"{name} gradient to table": lambda: torch.autograd.grad(to_trained, trained, upstream, retain_graph=True),
        f"{name} gradient to points": lambda: torch.autograd.grad(to_moved, moved, upstream, retain_graph=True),
        f"{name} second order to table": lambda: torch.autograd.grad(slope, trained, positions, retain_graph=True),
    }


def compositing_works(backend: str, rays: int = 4096, samples: int = 64) -> dict[str, Work]:
    keyed = torch.Generator().manual_seed(0)
    n = rays * samples
    densities = torch.rand(n, generator=keyed).requires_grad_()
    deltas, values = torch.full((n,), 0.03), torch.rand(n, 3, generator=keyed)
    ray_start = torch.arange(rays + 1) * samples
    ray_index = torch.arange(n) // samples

    def render() -> torch.Tensor:
        weights, _ = composite(densities, deltas, ray_start, backend=backend)
        return accumulate(weights, values, ray_index, rays, backend=backend)

    colour = render()
    upstream = torch.randn(colour.shape, generator=keyed)
    name = f"compositing {rays} x {samples}"
    return {
        f"{name} forward": render,
        f"{name} gradient": lambda: torch.autograd.grad(colour, densities, upstream, retain_graph=True),
    }


def marching_works(backend: str, rays: int = 4096, steps: int = 128) -> dict[str, Work]:
    keyed = torch.Generator().manual_seed(0)
    aabb = torch.tensor([[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]])
    origins = torch.nn.functional.normalize(torch.randn(rays, 3, generator=keyed), dim=-1) * 3
    directions = torch.nn.functional.normalize(0.4 * torch.randn(rays, 3, generator=keyed) - origins, dim=-1)
    cells = torch.stack(torch.meshgrid(*[torch.linspace(-1, 1, 64)] * 3, indexing="ij"))
    occupancy = cells.norm(dim=0) < 0.3
    near, far = ray_box(origins, directions, aabb)
    jitter = torch.rand(rays, generator=keyed)
    arguments = (origins, directions, near, far, 3.0 / steps, occupancy, aabb, jitter)
    return {f"marching {rays} x {steps}": lambda: march_rays(*arguments, backend=backend)}


def all_works(backend: str, points: int) -> dict[str, Work]:
    return {
        **hash_grid_works(backend, 14, points),
        **hash_grid_works(backend, 19, points),
        **compositing_works(backend),
        **marching_works(backend),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=131_072, help="points per hash grid look-up")
    parser.add_argument("--rounds", type=int, default=5, help="measured rounds")
    parser.add_argument("--threads", type=int, help="threads of torch and numba; 1 is the fairest on a busy machine")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    works = {backend: all_works(backend, options.points) for backend in BACKENDS}
    print(f"{torch.get_num_threads()} threads, {options.points} points, medians of {options.rounds} in ms\n")
    print("| kernel | " + " | ".join(BACKENDS) + " | numba / reference |")
    print("|---" * (len(BACKENDS) + 2) + "|")
    for name in works[BACKENDS[0]]:
        fast, slow = alternate([works[backend][name] for backend in BACKENDS], options.rounds)
        print(f"| {name} | {fast:.2f} | {slow:.2f} | {fast / slow:.3f} |", flush=True)


if __name__ == "__main__":
    main()
