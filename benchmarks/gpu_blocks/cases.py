"""Inputs of the kernels: small ones, random and degenerate, that are compared; full ones that are timed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from peers_splatting import Scene
from torch import Tensor

from maquette.kernels.compositing import accumulate, composite
from maquette.kernels.hash_grid import HashGridSpec, hash_grid
from maquette.kernels.marching import march_rays, ray_box
from maquette.kernels.splatting import project, splat

Results = dict[str, Tensor]
"""Outputs of a kernel by name, and gradients under the names "d ..."."""


def _keyed(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _graded(outputs: Results, leaves: Results) -> Results:
    """Outputs, and the gradients of leaves under random numbers for what comes from above."""
    upstream = [torch.randn(out.shape, generator=_keyed(9)).to(out) for out in outputs.values()]
    gradients = torch.autograd.grad(list(outputs.values()), list(leaves.values()), upstream, allow_unused=True)
    grads = {f"d {name}": g for name, g in zip(leaves, gradients, strict=True) if g is not None}
    return {name: out.detach() for name, out in outputs.items()} | grads


def encode(device: torch.device, backend: str, degenerate: bool) -> Results:
    """The hash grid; degenerate: at the corners of cells and of the cube."""
    spec = HashGridSpec(levels=6, log2_table_size=10, base_resolution=4, finest_resolution=64)
    points = torch.rand(300, 3, generator=_keyed())
    if degenerate:
        points = (points * 4).round() / 4
    points = points.to(device).requires_grad_(not degenerate)  # at a corner there is no slope to compare
    table = torch.randn(spec.rows, 2, generator=_keyed(1)).to(device).requires_grad_()
    leaves = {"table": table} if degenerate else {"table": table, "points": points}
    return _graded({"values": hash_grid(points, table, spec, backend=backend)}, leaves)


def compose(device: torch.device, backend: str, degenerate: bool) -> Results:
    """Weights and sums along rays; degenerate: rays without samples, densities of zero and of walls."""
    counts = torch.randint(0 if degenerate else 1, 12, (60,), generator=_keyed())
    if degenerate:
        counts[::3] = 0
    ray_start = torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)]).to(device)
    index, n = torch.repeat_interleave(torch.arange(60), counts).to(device), int(counts.sum())
    densities = torch.rand(n, generator=_keyed(1)) * 20
    if degenerate:
        densities[::2], densities[1::4] = 0.0, 1e4
    densities = densities.to(device).requires_grad_()
    values = torch.rand(n, 3, generator=_keyed(2)).to(device).requires_grad_()
    weights, through = composite(densities, torch.full((n,), 0.05, device=device), ray_start, backend=backend)
    sums = accumulate(weights, values, index, 60, backend=backend)
    return _graded({"weights": weights, "transmittance": through, "sums": sums}, {"d": densities, "v": values})


def march(device: torch.device, backend: str, degenerate: bool) -> Results:
    """Pieces of rays through an occupancy grid; degenerate: rays along the axes, and rays that miss."""
    origins = torch.nn.functional.normalize(torch.randn(200, 3, generator=_keyed()), dim=-1) * 3
    directions = torch.nn.functional.normalize(-origins + 0.5 * torch.randn(200, 3, generator=_keyed(1)), dim=-1)
    if degenerate:
        directions[:100] = torch.eye(3)[torch.arange(100) % 3]
    origins, directions = origins.to(device), directions.to(device)
    box = torch.tensor([[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]], device=device)
    near, far = ray_box(origins, directions, box)
    occupancy = (torch.rand(16, 16, 16, generator=_keyed(2)) < 0.3).to(device)
    jitter = torch.rand(200, generator=_keyed(3)).to(device)
    pieces = march_rays(origins, directions, near, far, 0.05, occupancy, box, jitter, backend=backend)
    return {"start": pieces.t_start, "end": pieces.t_end, "rays": pieces.ray_start.float()}


def draw(device: torch.device, backend: str, degenerate: bool) -> Results:
    """Gaussians as a picture; degenerate: some behind the camera, some unseen, needles."""
    scene = _on(device, Scene.of(120, 24, 0.05, needles=2.0 if degenerate else 0.5))
    if degenerate:
        scene.means[::4, 0] += 5.0
        scene.opacities[1::4] = 0.0
    names = ("means", "quaternions", "scales", "opacities", "values")
    leaves = dict(zip(names, scene.leaves(), strict=True))
    return _graded(_picture(scene, leaves, backend), leaves)


def _on(device: torch.device, scene: Scene) -> Scene:
    tensors = {name: value.to(device) for name, value in vars(scene).items() if isinstance(value, Tensor)}
    return replace(scene, **tensors)


def _picture(scene: Scene, leaves: Results, backend: str) -> Results:
    footprints = project(
        leaves["means"], leaves["quaternions"], leaves["scales"], scene.c2w, scene.focal, scene.size, scene.size,
        backend=backend,
    )  # fmt: skip
    splatted = splat(footprints, leaves["opacities"], leaves["values"], backend=backend)
    return {"colors": splatted.values, "opacity": splatted.opacity, "depth": splatted.depth}


def _case(kernel: Callable[[torch.device, str, bool], Results], degenerate: bool) -> Callable[..., Results]:
    return lambda device, backend, _: kernel(device, backend, degenerate)


CASES = {
    f"{name}{', degenerate' if degenerate else ''}": _case(kernel, degenerate)
    for name, kernel in {"hash grid": encode, "compositing": compose, "marching": march, "splatting": draw}.items()
    for degenerate in (False, True)
}
"""What is compared with the reference, on random and on degenerate input."""


@dataclass(frozen=True)
class Timed:
    """Work at full size.

    Args:
        kernel: as `maquette doctor` calls it.
        prepare: device, backend and whether to be tiny -> the work.
        at_most: milliseconds on an H100.
        peer: backend of another's kernel to time beside it; empty: none.
    """

    kernel: str
    prepare: Callable[[torch.device, str, bool], Callable[[], object]]
    at_most: float
    peer: str = ""


def _encoding(backward: bool) -> Callable[[torch.device, str, bool], Callable[[], object]]:
    def prepare(device: torch.device, backend: str, tiny: bool) -> Callable[[], object]:
        spec = HashGridSpec(log2_table_size=10 if tiny else 19)
        points = torch.rand(100 if tiny else 2**18, 3, generator=_keyed()).to(device)
        table = torch.randn(spec.rows, 2, generator=_keyed(1)).to(device).requires_grad_(backward)
        if not backward:
            return lambda: hash_grid(points, table, spec, backend=backend)
        encoded = hash_grid(points, table, spec, backend=backend)
        upstream = torch.ones_like(encoded)
        return lambda: torch.autograd.grad(encoded, table, upstream, retain_graph=True)

    return prepare


def _compositing(device: torch.device, backend: str, tiny: bool) -> Callable[[], object]:
    rays, samples = (16, 4) if tiny else (4096, 64)
    n = rays * samples
    densities = (torch.rand(n, generator=_keyed()) * 20).to(device).requires_grad_()
    deltas, ray_start = torch.full((n,), 0.03, device=device), torch.arange(rays + 1, device=device) * samples

    def work() -> object:
        weights, _ = composite(densities, deltas, ray_start, backend=backend)
        return torch.autograd.grad(weights, densities, torch.ones_like(weights))

    return work


def _splatting(device: torch.device, backend: str, tiny: bool) -> Callable[[], object]:
    scene = _on(device, Scene.of(50 if tiny else 50_000, 16 if tiny else 512, 0.01))
    names = ("means", "quaternions", "scales", "opacities", "values")

    def work() -> object:
        leaves = dict(zip(names, scene.leaves(), strict=True))
        colors = _picture(scene, leaves, backend)["colors"]
        return torch.autograd.grad(colors, list(leaves.values()), torch.ones_like(colors))

    return work


FASTEST = {
    "hash grid, 262,144 points, forward": Timed("hash-grid", _encoding(False), 0.3),
    "hash grid, 262,144 points, backward": Timed("hash-grid", _encoding(True), 1.0),
    "compositing, 4,096 rays, forward and backward": Timed("compositing", _compositing, 0.2),
    "splatting, 50,000 at 512 x 512, forward and backward": Timed("splatting", _splatting, 3.0, "gsplat"),
}
"""What is timed at full size."""
