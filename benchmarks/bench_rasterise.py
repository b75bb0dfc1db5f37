"""Speed and memory of the rasteriser's backends on this machine's CPU: `python benchmarks/bench_rasterise.py`.

A UV sphere that nearly fills the image is rasterised, its vertex colours are interpolated and antialiased, and a
gradient goes back to colours and positions. Backends alternate within each round, so that a busy machine slows both
alike. Memory is the growth of the peak resident size of a fresh process that does this once, after a small warm-up.
"""

from __future__ import annotations

import argparse
import math
import resource
import subprocess
import sys

import torch
from timing import Work, alternate
from torch import Tensor

from maquette.kernels.rasterise import (
    antialias,
    edge_topology,
    interpolate,
    interpolate_derivatives,
    rasterise,
    sample_texture,
)

BACKENDS = ("numba", "reference")


def sphere(rows: int, columns: int) -> tuple[Tensor, Tensor]:
    """Unit UV sphere: vertices [V, 3], and triangles [2 rows columns, 3] of which those at the poles have no area."""
    polar = torch.linspace(0, math.pi, rows + 1)[:, None]
    around = torch.arange(columns)[None] * (2 * math.pi / columns)
    x, y = polar.sin() * around.cos(), polar.sin() * around.sin()
    vertices = torch.stack([x, y, polar.cos().expand_as(x)], dim=-1).reshape(-1, 3)
    row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    upper, right = row * columns, (column + 1) % columns
    one, two, three, four = upper + column, upper + right, upper + columns + column, upper + columns + right
    triangles = torch.stack([torch.stack([one, three, two], -1), torch.stack([two, three, four], -1)], dim=2)
    return vertices, triangles.reshape(-1, 3)


def grid(triangles: int) -> tuple[int, int]:
    """Rows and columns of a sphere of about so many triangles."""
    rows = max(2, round(math.sqrt(triangles / 4)))
    return rows, 2 * rows


def seen(vertices: Tensor, images: int) -> Tensor:
    """Clip positions [images, V, 4] for cameras around the sphere, 2.1 radii away."""
    focal, near, far = 1 / math.tan(math.radians(30)), 0.1, 10.0
    clips = []
    for image in range(images):
        turn = torch.tensor(2 * math.pi * image / images + 0.3)
        x = vertices[:, 0] * turn.cos() - vertices[:, 1] * turn.sin()
        depth = 2.1 - (vertices[:, 0] * turn.sin() + vertices[:, 1] * turn.cos())
        z = depth * (far + near) / (far - near) - 2 * far * near / (far - near)
        clips.append(torch.stack([focal * x, focal * vertices[:, 2], z, depth], dim=-1))
    return torch.stack(clips)


def picture(backend: str, triangles_wanted: int, size: int, images: int) -> tuple[Work, Work]:
    """Rasterise, interpolate and antialias: forward, and forward with the gradients of positions and colours."""
    vertices, triangles = sphere(*grid(triangles_wanted))
    topology = edge_topology(triangles)
    keyed = torch.Generator().manual_seed(0)
    clip = seen(vertices, images).requires_grad_()
    colors = torch.rand(len(vertices), 3, generator=keyed).requires_grad_()
    upstream = torch.randn(images, size, size, 3, generator=keyed)

    def forward() -> Tensor:
        raster = rasterise(clip, triangles, size, size, backend=backend)
        image = interpolate(colors, raster, triangles, backend=backend)
        return antialias(image, raster, clip, triangles, topology, backend=backend)

    return forward, lambda: torch.autograd.grad(forward(), (clip, colors), upstream)


def all_works(backend: str, triangles_wanted: int, size: int, images: int) -> dict[str, Work]:
    vertices, triangles = sphere(*grid(triangles_wanted))
    topology = edge_topology(triangles)
    keyed = torch.Generator().manual_seed(0)
    clip = seen(vertices, images)
    upstream = torch.randn(images, size, size, 3, generator=keyed)
    texture = torch.rand(1, size, size, 3, generator=keyed).requires_grad_()
    raster = rasterise(clip, triangles, size, size, derivatives=True, backend=backend)
    uv = interpolate(vertices[:, 1:] / 2 + 0.5, raster, triangles, backend=backend)
    footprint = interpolate_derivatives(vertices[:, 1:] / 2, raster, triangles, backend=backend).flatten(-2)
    image = interpolate(vertices, raster, triangles, backend=backend)
    forward, both = picture(backend, triangles_wanted, size, images)

    def textured() -> Tensor:
        return sample_texture(texture, uv, footprint, "trilinear", backend=backend)

    return {
        "rasterise": lambda: rasterise(clip, triangles, size, size, backend=backend),
        "interpolate": lambda: interpolate(vertices, raster, triangles, backend=backend),
        "antialias": lambda: antialias(image, raster, clip, triangles, topology, backend=backend),
        "all three, forward": forward,
        "all three, forward + backward": both,
        "trilinear texture, forward": textured,
        "trilinear texture, forward + backward": lambda: torch.autograd.grad(textured(), texture, upstream),
    }


def peak_growth_mib(backend: str, triangles: int, size: int, images: int) -> float:
    """By how much the peak resident size grows when all three run forward and back once; for a fresh process."""
    picture(backend, 200, 16, 1)[1]()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    picture(backend, triangles, size, images)[1]()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--triangles", type=int, default=20_000, help="about how many")
    parser.add_argument("--size", type=int, default=512, help="height and width of the image")
    parser.add_argument("--images", type=int, default=1, help="images at once")
    parser.add_argument("--rounds", type=int, default=7, help="measured rounds")
    parser.add_argument("--threads", type=int, help="threads of torch and numba; 1 is the fairest on a busy machine")
    parser.add_argument("--memory-of", choices=BACKENDS, help="only print the growth of the peak memory, in MiB")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    scene = (options.triangles, options.size, options.images)
    if options.memory_of:
        print(peak_growth_mib(options.memory_of, *scene))
        return
    # First, as a child's peak starts from what its parent holds.
    peaks = [
        float(subprocess.check_output([sys.executable, *sys.argv, "--memory-of", backend])) for backend in BACKENDS
    ]
    works = {backend: all_works(backend, *scene) for backend in BACKENDS}
    print(
        f"{torch.get_num_threads()} threads, {scene[0]} triangles, {scene[2]} x {scene[1]}^2 pixels, "
        f"medians of {options.rounds} in ms\n"
    )
    print("| work | " + " | ".join(BACKENDS) + " | reference / numba |")
    print("|---" * (len(BACKENDS) + 2) + "|")
    for name in works[BACKENDS[0]]:
        fast, slow = alternate([works[backend][name] for backend in BACKENDS], options.rounds)
        print(f"| {name} | {fast:.2f} | {slow:.2f} | {slow / fast:.1f} |", flush=True)
    print("| peak memory, MiB | " + " | ".join(f"{peak:.0f}" for peak in peaks) + " | |")


if __name__ == "__main__":
    main()
