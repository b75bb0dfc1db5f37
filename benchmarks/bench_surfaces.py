"""Speed of isosurfaces on this machine's CPU: `python benchmarks/bench_surfaces.py`."""

from __future__ import annotations

import torch
from contests import Contest, main
from timing import Work
from torch import Tensor

from maquette.kernels.flexicubes import cube_grid, flexicubes
from maquette.kernels.marching_cubes import marching_cubes
from maquette.kernels.tetrahedra import marching_tetrahedra, tetrahedral_grid


def ball(positions: Tensor) -> tuple[Tensor, Tensor]:
    """Corners that have been moved a little, and their distances from a bumpy ball; both with gradients."""
    displaced = positions + 1e-3 * torch.randn(positions.shape, generator=torch.Generator().manual_seed(0))
    distances = displaced.norm(dim=-1) - 0.6 - 0.05 * torch.sin(9 * displaced).prod(dim=-1)
    return displaced.requires_grad_(), distances.detach().requires_grad_()


def tetrahedra(way: str, resolution: int) -> Work:
    """The surface, and gradients of corners and distances."""
    grid = tetrahedral_grid(resolution)
    leaves = ball(grid.positions)

    def work() -> object:
        vertices, _ = marching_tetrahedra(*leaves, grid, backend=way)
        return torch.autograd.grad(vertices.square().sum(), leaves)

    return work


def cubes(way: str, resolution: int) -> Work:
    """The surface with all its weights, and gradients of corners, distances and weights; `way` is the only one."""
    grid = cube_grid(resolution)
    weights = [torch.ones(grid.cubes, *last).requires_grad_() for last in ((8,), (12,), ())]
    leaves = [*ball(grid.positions), *weights]

    def work() -> object:
        alpha, beta, gamma = weights
        surface = flexicubes(*leaves[:2], grid, alpha=alpha, beta=beta, gamma=gamma)
        vertices, _ = surface.with_midpoints()
        return torch.autograd.grad(vertices.square().sum(), leaves)

    return work


def voxels(way: str, resolution: int) -> Work:
    """The surface, and the gradient of the distances."""
    axis = torch.linspace(-1, 1, resolution + 1)
    distances = ball(torch.cartesian_prod(axis, axis, axis))[1].detach().reshape((resolution + 1,) * 3).requires_grad_()

    def work() -> object:
        vertices, _ = marching_cubes(distances, (-1, -1, -1), 2 / resolution, backend=way)
        return torch.autograd.grad(vertices.square().sum(), distances)

    return work


CONTESTS = [
    Contest(
        "tetrahedra",
        "marching tetrahedra at resolution {resolution}, forward + backward",
        tetrahedra,
        ways=("numba", "reference"),
        sizes={"resolution": 48},
        small={"resolution": 4},
    ),
    Contest(
        "marching-cubes",
        "marching cubes at resolution {resolution}, forward + backward",
        voxels,
        ways=("numba", "reference"),
        sizes={"resolution": 80},
        small={"resolution": 4},
    ),
    Contest(
        "flexicubes",
        "FlexiCubes at resolution {resolution}, forward + backward",
        cubes,
        ways=("reference",),
        sizes={"resolution": 64},
        small={"resolution": 4},
    ),
]

if __name__ == "__main__":
    main(CONTESTS, __doc__)
