"""Speed of volume rendering on this machine's CPU, in parts and as a whole: `python benchmarks/bench_volume.py`."""

from __future__ import annotations

import torch
from contests import Contest, main
from timing import Work

from maquette.backgrounds.solid import Solid
from maquette.cameras.base import orbit_cameras
from maquette.geometry.hash_grid import HashGrid
from maquette.kernels.compositing import accumulate, composite
from maquette.kernels.marching import march_rays, ray_box
from maquette.materials.base import Shading
from maquette.materials.plain import Plain
from maquette.randomness import Draws, Moment
from maquette.renderers.base import View
from maquette.renderers.volume import Volume

WAYS = ("numba", "reference")


def composite_rays(way: str, rays: int, samples: int) -> Work:
    """Weights and colours of packed samples, and the gradient of their densities."""
    keyed = torch.Generator().manual_seed(0)
    n = rays * samples
    densities = torch.rand(n, generator=keyed).requires_grad_()
    deltas, values = torch.full((n,), 0.03), torch.rand(n, 3, generator=keyed)
    ray_start, ray_index = torch.arange(rays + 1) * samples, torch.arange(n) // samples
    upstream = torch.randn(rays, 3, generator=keyed)

    def work() -> object:
        weights, _ = composite(densities, deltas, ray_start, backend=way)
        colors = accumulate(weights, values, ray_index, rays, backend=way)
        return torch.autograd.grad(colors, densities, upstream)

    return work


def march(way: str, rays: int, steps: int) -> Work:
    """Samples along rays towards a ball in a grid of 64^3 cells that is otherwise empty."""
    keyed = torch.Generator().manual_seed(0)
    aabb = torch.tensor([[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]])
    origins = torch.nn.functional.normalize(torch.randn(rays, 3, generator=keyed), dim=-1) * 3
    directions = torch.nn.functional.normalize(0.4 * torch.randn(rays, 3, generator=keyed) - origins, dim=-1)
    cells = torch.stack(torch.meshgrid(*[torch.linspace(-1, 1, 64)] * 3, indexing="ij"))
    near, far = ray_box(origins, directions, aabb)
    jitter = torch.rand(rays, generator=keyed)
    arguments = (origins, directions, near, far, 3.0 / steps, cells.norm(dim=0) < 0.3, aabb, jitter)
    return lambda: march_rays(*arguments, backend=way)


def nerf_step(way: str, size: int, samples: int) -> Work:
    """A picture of the field that `dreamfusion` starts from on a laptop, and the gradients of all its parameters."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        field = HashGrid(
            HashGrid.Config(
                levels=8, log2_table_size=15, base_resolution=8, finest_resolution=128, width=32, blob_radius=0.45,
                backend=way,
            )
        )  # fmt: skip
    renderer = Volume(Volume.Config(samples=samples, backend=way), bound=1.0)
    renderer.update(field, Moment(0, 1000, Draws(seed=0, step=0)))
    material, background = Plain(Plain.Config()), Solid(Solid.Config())
    one = torch.ones(1)
    cameras = orbit_cameras(30 * one, 20 * one, 3.2 * one, 35 * one, size)
    upstream = torch.randn(1, size, size, 3, generator=torch.Generator().manual_seed(1))

    def work() -> object:
        draws = Draws(seed=0, step=1)
        picture = renderer.render(field, material, background, View(cameras, Shading(), normals=False, draws=draws))
        return torch.autograd.grad(picture.rgb, list(field.parameters()), upstream)

    return work


CONTESTS = [
    Contest(
        "compositing",
        "compositing, {rays:,} rays x {samples}, forward + backward",
        composite_rays,
        WAYS,
        sizes={"rays": 4096, "samples": 64},
        small={"rays": 16, "samples": 4},
    ),
    Contest(
        "marching",
        "marching {rays:,} rays x {steps} steps through an occupancy grid",
        march,
        WAYS,
        sizes={"rays": 4096, "steps": 128},
        small={"rays": 16, "steps": 8},
    ),
    Contest(
        "nerf-step",
        "NeRF step, {size} x {size} rays, occupancy skipping, hash grid of 8 levels, forward + backward",
        nerf_step,
        WAYS,
        sizes={"size": 64, "samples": 96},
        small={"size": 4, "samples": 16},
        targets={"reference": 5},
    ),
]

if __name__ == "__main__":
    main(CONTESTS, __doc__)
