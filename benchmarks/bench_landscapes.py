"""Speed of rays over a height field and of noise on this machine's CPU: `python benchmarks/bench_landscapes.py`."""

from __future__ import annotations

import torch
from contests import Contest, main
from timing import Work

from maquette.kernels.height_field import cast_rays
from maquette.kernels.simplex_noise import simplex_noise
from maquette.landscapes import World, WorldConfig


def cast(way: str, side: int, window: int) -> Work:
    """Rays of a picture from above the middle of a world with trees, slightly down."""
    config = WorldConfig(size=window, scale=0.25, tree_scale=0.35, tree_density=0.35, unbounded=True)
    scene = World(0, config).window()
    across, down = torch.meshgrid(*[torch.linspace(-0.6, 0.6, side)] * 2, indexing="xy")
    directions = torch.stack([torch.ones_like(across), across, -down - 0.2], dim=-1).reshape(-1, 3)
    origins = torch.tensor([window / 4, window / 2, float(scene.height.max()) + 2]).expand_as(directions)
    return lambda: cast_rays(
        origins, directions, scene.height, scene.tree_base, scene.tree_bits, reach=window, backend=way
    )


def noise(way: str, side: int, octaves: int) -> Work:
    """Noise on a square of cells."""
    points = torch.cartesian_prod(*[torch.arange(side, dtype=torch.float64)] * 2) / 50
    return lambda: simplex_noise(points, 0, octaves=octaves, backend=way)


CONTESTS = [
    Contest(
        "height-field",
        "height field with trees, {window} x {window} cells, {side} x {side} rays",
        cast,
        ways=("numba", "reference"),
        sizes={"side": 64, "window": 256},
        small={"side": 8, "window": 32},
    ),
    Contest(
        "simplex-noise",
        "simplex noise, {side} x {side} places, {octaves} octaves",
        noise,
        ways=("numba", "reference"),
        sizes={"side": 256, "octaves": 6},
        small={"side": 8, "octaves": 2},
    ),
]

if __name__ == "__main__":
    main(CONTESTS, __doc__)
