"""Kernels on the device against their references, and how fast they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from bench_rasterise import sphere, sphere_clip_positions
from torch import Tensor
from torch.nn.functional import cosine_similarity

from gpu_blocks.cases import CASES, FASTEST
from gpu_blocks.measure import launches, milliseconds, peak_mib
from gpu_blocks.record import Findings, Setting
from maquette.errors import ConfigError, MissingDependency
from maquette.geometry.hash_grid import HashGrid
from maquette.kernels.backends import choose
from maquette.kernels.rasterise import antialias, edge_topology, interpolate, rasterise

VALUES, GRADIENTS = 1e-4, 1e-3  # largest relative errors: of all of a tensor's entries, against its largest


def agreement_and_speed(setting: Setting, findings: Findings) -> None:
    """Values and gradients of each kernel, on random and on degenerate input; then times at full size."""
    for name, case in CASES.items():
        ours, truth = (case(setting.device, backend, False) for backend in ("auto", "reference"))
        for entry in truth:
            limit = GRADIENTS if entry.startswith("d ") else VALUES
            findings.agree(f"{name}: {entry}", _error(ours[entry], truth[entry]), at_most=limit)
    for name, fastest in FASTEST.items():
        work = fastest.prepare(setting.device, "auto", setting.tiny)
        time = findings.note(f"{name} ms", milliseconds(work, setting.device, rounds=setting.pick(20, 2)))
        findings.fast(f"{name} ms", time, at_most=fastest.at_most)
        if fastest.peer:
            _time_peer(
                setting, findings, name, time, lambda case=fastest: case.prepare(setting.device, case.peer, False)
            )
    kernels = sorted({fastest.kernel for fastest in FASTEST.values()})
    findings.note("backends", {kernel: choose(kernel, device=setting.device.type).backend for kernel in kernels})


def _time_peer(setting: Setting, findings: Findings, name: str, ours: float, peer: Callable) -> None:
    """The same work by a peer, where it is installed and the shapes are worth it."""
    if setting.tiny or not setting.cuda:
        return
    try:
        theirs = milliseconds(peer(), setting.device)
    except (ConfigError, MissingDependency, ImportError, RuntimeError, AttributeError) as problem:
        findings.note(f"{name} by the peer", f"not measured: {problem}"[:300])
        return
    findings.note(f"{name} ms by the peer", theirs)
    findings.fast(f"{name}: times as long as the peer", ours / theirs, at_most=1.5)


def _error(ours: Tensor, truth: Tensor) -> float:
    """Largest difference of any entry, in units of the truth's largest entry; infinite where shapes differ."""
    if ours.shape != truth.shape:
        return float("inf")
    if not truth.numel():
        return 0.0
    scale = truth.double().abs().max().clamp(min=1e-6)
    error = float(((ours.double() - truth.double()).abs() / scale).max())
    return error if error == error else float("inf")


def normals(setting: Setting, findings: Findings) -> None:
    """Analytic normals of a hash grid, which take its second derivative, beside finite differences."""
    torch.manual_seed(0)
    config = HashGrid.Config(
        levels=setting.pick(16, 4), log2_table_size=setting.pick(19, 10), finest_resolution=setting.pick(2048, 32)
    )
    analytic = HashGrid(config).to(setting.device)
    finite = HashGrid(replace(config, normals="finite-difference", normal_epsilon=1e-3)).to(setting.device)
    finite.load_state_dict(analytic.state_dict())
    keyed = torch.Generator().manual_seed(0)
    points = (torch.rand(setting.pick(200_000, 200), 3, generator=keyed) * 1.6 - 0.8).to(setting.device)
    upstream = torch.randn(len(points), 3, generator=keyed).to(setting.device)

    def step(field: HashGrid) -> Tensor:
        normal = field.query(points, normals=True).normal
        assert normal is not None
        normal.backward(upstream)
        field.zero_grad()
        return normal.detach()

    for name, field in (("analytic", analytic), ("finite differences", finite)):
        findings.note(f"{name} ms", milliseconds(lambda f=field: step(f), setting.device, setting.pick(10, 2)))
        findings.note(f"{name} peak MiB", peak_mib(lambda f=field: step(f), setting.device))
        findings.note(f"{name} launches", launches(lambda f=field: step(f), setting.device))
    alike = cosine_similarity(step(analytic), step(finite), dim=-1).mean()
    findings.agree("mean cosine of the two", float(alike), at_least=0.99)
    ratio = findings.figures["analytic ms"] / findings.figures["finite differences ms"]
    findings.fast("analytic, times finite differences", ratio, at_most=2)


def raster(setting: Setting, findings: Findings) -> None:
    """A sphere drawn, interpolated and antialiased, with gradients, by what the device takes and by nvdiffrast."""
    for triangles in setting.pick((40_000, 100_000), (200,)):
        ours = _raster_work(setting, triangles, "auto")
        time = findings.note(f"{triangles} triangles ms", milliseconds(ours, setting.device, setting.pick(10, 2)))
        findings.note(f"{triangles} triangles launches", launches(ours, setting.device))
        findings.fast(f"{triangles} triangles ms", time, at_most=5)
        if setting.cuda and not setting.tiny:
            name = f"{triangles} triangles"
            _time_peer(
                setting, findings, name, time, lambda count=triangles: _raster_work(setting, count, "nvdiffrast")
            )
    findings.note("backend", choose("rasterise", device=setting.device.type).backend)


def _raster_work(setting: Setting, triangles: int, backend: str) -> Callable[[], object]:
    size, device = setting.pick(512, 16), setting.device
    vertices, faces = sphere(triangles)
    topology, clip = edge_topology(faces.to(device)), sphere_clip_positions(vertices, size).to(device).requires_grad_()
    faces, keyed = faces.to(device), torch.Generator().manual_seed(0)
    colors = torch.rand(len(vertices), 3, generator=keyed).to(device).requires_grad_()
    upstream = torch.randn(1, size, size, 3, generator=keyed).to(device)

    def work() -> object:
        raster_result = rasterise(clip, faces, size, size, backend=backend)
        image = interpolate(colors, raster_result, faces, backend=backend)
        image = antialias(image, raster_result, clip, faces, topology, backend=backend)
        return torch.autograd.grad(image, (clip, colors), upstream)

    return work
