"""Speed of the rasteriser on this machine's CPU: `python benchmarks/bench_rasterise.py`.

A sphere of latitudes and longitudes that nearly fills the picture.
"""

from __future__ import annotations

import math

import torch
from contests import Contest, main
from timing import Work
from torch import Tensor

from maquette.cameras.base import orbit_cameras
from maquette.kernels.rasterise import (
    antialias,
    edge_topology,
    interpolate,
    interpolate_derivatives,
    rasterise,
    sample_texture,
)

WAYS = ("numba", "reference")


def sphere(triangles: int) -> tuple[Tensor, Tensor]:
    """Unit sphere: vertices [V, 3], and about so many triangles [F, 3], of which those at the poles have no area."""
    rows = max(2, round(math.sqrt(triangles / 4)))
    columns = 2 * rows
    polar = torch.linspace(0, math.pi, rows + 1)[:, None]
    around = torch.arange(columns)[None] * (2 * math.pi / columns)
    x, y = polar.sin() * around.cos(), polar.sin() * around.sin()
    vertices = torch.stack([x, y, polar.cos().expand_as(x)], dim=-1).reshape(-1, 3)
    row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    upper, right = row * columns, (column + 1) % columns
    one, two, three, four = upper + column, upper + right, upper + columns + column, upper + columns + right
    faces = torch.stack([torch.stack([one, three, two], -1), torch.stack([two, three, four], -1)], dim=2)
    return vertices, faces.reshape(-1, 3)


def sphere_clip_positions(vertices: Tensor, size: int) -> Tensor:
    """Clip positions [1, V, 4] for a camera 2.1 radii from the middle."""
    one = torch.ones(1)
    return orbit_cameras(20 * one, 10 * one, 2.1 * one, 60 * one, size).clip_positions(vertices, 0.1, 10.0)


def draw(way: str, triangles: int, size: int) -> Work:
    """Vertex colours, rasterised, interpolated and antialiased; gradients of positions and colours."""
    vertices, faces = sphere(triangles)
    topology = edge_topology(faces)
    keyed = torch.Generator().manual_seed(0)
    clip = sphere_clip_positions(vertices, size).requires_grad_()
    colors = torch.rand(len(vertices), 3, generator=keyed).requires_grad_()
    upstream = torch.randn(1, size, size, 3, generator=keyed)

    def work() -> object:
        raster = rasterise(clip, faces, size, size, backend=way)
        image = interpolate(colors, raster, faces, backend=way)
        image = antialias(image, raster, clip, faces, topology, backend=way)
        return torch.autograd.grad(image, (clip, colors), upstream)

    return work


def paint(way: str, triangles: int, size: int) -> Work:
    """A texture with mip levels, blended from eight texels; gradient of the texture."""
    vertices, faces = sphere(triangles)
    keyed = torch.Generator().manual_seed(0)
    texture = torch.rand(1, size, size, 3, generator=keyed).requires_grad_()
    upstream = torch.randn(1, size, size, 3, generator=keyed)
    raster = rasterise(sphere_clip_positions(vertices, size), faces, size, size, derivatives=True)
    uv = interpolate(vertices[:, 1:] / 2 + 0.5, raster, faces)
    footprint = interpolate_derivatives(vertices[:, 1:] / 2, raster, faces).flatten(-2)

    def work() -> object:
        image = sample_texture(texture, uv, footprint, "trilinear", backend=way)
        return torch.autograd.grad(image, texture, upstream)

    return work


CONTESTS = [
    Contest(
        "rasterise",
        "rasterise {triangles:,} triangles at {size} x {size}, interpolate, antialias, forward + backward",
        draw,
        WAYS,
        sizes={"triangles": 20_000, "size": 512},
        small={"triangles": 64, "size": 16},
        targets={"reference": 8},
    ),
    Contest(
        "texture",
        "trilinear texture of {size} x {size} texels at as many pixels, forward + backward",
        paint,
        WAYS,
        sizes={"triangles": 20_000, "size": 512},
        small={"triangles": 64, "size": 16},
    ),
]

if __name__ == "__main__":
    main(CONTESTS, __doc__)
