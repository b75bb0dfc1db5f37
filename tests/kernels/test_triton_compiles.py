"""Every triton kernel compiles to machine code for two generations of GPUs, on a machine that has none.

What the interpreter cannot show: that the compiler takes the kernels, with the types and constants that the backends
launch them with. Compilation needs no driver; it runs in a process of its own, where nothing is interpreted.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from interpreted import needs_triton

from maquette.kernels.hash_grid import HashGridSpec
from maquette.kernels.marching import ray_box
from maquette.kernels.splatting import project

CAPABILITIES = (80, 90)  # A100, H100
KERNELS = {
    "hash_grid": {"_interpolate", "_slope", "_scatter"},
    "compositing": {"_composite", "_composite_backward", "_accumulate", "_accumulate_backward"},
    "marching": {"_march"},
    "height_field": {"_cast"},
    "splatting": {"composite", "composite_backward"},
}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess:
    """One process that compiles all kernels and says what has been compiled."""
    here, cache = Path(__file__).parent, str(tmp_path_factory.mktemp("triton"))
    path = os.pathsep.join([str(here), *sys.path])
    variables = {**os.environ, "TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": cache, "PYTHONPATH": path}
    code = f"import {Path(__file__).stem} as test; [test.compile_all(kernel) for kernel in test.KERNELS]"
    return subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True)


@pytest.mark.slow
@needs_triton
@pytest.mark.parametrize("kernel", KERNELS)
def test_kernels_compile_for_cuda(kernel, compiled):
    expected = {f"{name}:{sm}" for name in KERNELS[kernel] for sm in CAPABILITIES}
    assert expected <= set(compiled.stdout.split()), compiled.stderr[-3000:]


def compile_all(kernel: str) -> None:
    """Compile what the backend launches, forward and backward, and name what has been compiled."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource
    from triton.runtime.jit import mangle_type

    for compiled, arguments, constants in launched(kernel):
        options = {name: value for name, value in constants.items() if name not in compiled.arg_names}
        constants = {name: value for name, value in constants.items() if name in compiled.arg_names}
        types = {name: mangle_type(value) for name, value in zip(compiled.arg_names, arguments, strict=False)}
        source = ASTSource(compiled, {**types, **dict.fromkeys(constants, "constexpr")}, constexprs=constants)
        for sm in CAPABILITIES:
            made = triton.compile(source, target=GPUTarget("cuda", sm, 32), options=options)
            assert len(made.asm["cubin"]) > 0
            if kernel in ("marching", "height_field"):  # a fused operation would round otherwise than the reference
                assert "fma.rn.f32" not in made.asm["ptx"]
            print(f"{compiled.__name__}:{sm}")


def launched(kernel: str) -> list[tuple]:
    """Kernel, arguments and constants of each launch of a small example."""
    module, launches = importlib.import_module(f"maquette.kernels.{kernel}.triton_cuda"), []
    module.launch = lambda compiled, _, *arguments, **constants: launches.append((compiled, arguments, constants))
    examples = {"hash_grid": encode, "compositing": render, "marching": march, "splatting": draw, "height_field": cast}
    examples[kernel](module)
    return launches


def encode(module) -> None:
    for dimensions in (3, 5):
        spec = HashGridSpec(2, 2, 10, base_resolution=4, finest_resolution=32, dimensions=dimensions)
        points, table = torch.rand(5, dimensions).requires_grad_(), torch.rand(spec.rows, 2).requires_grad_()
        module.hash_grid(points, table, spec, 2).sum().backward()


def render(module) -> None:
    thickness, values = torch.rand(6).requires_grad_(), torch.rand(6, 3).requires_grad_()
    weights, _ = module.composite(thickness, torch.tensor([0, 2, 6]))
    module.accumulate(weights, values, torch.tensor([0, 0, 1, 1, 1, 1]), 2).sum().backward()


def march(module) -> None:
    origins, directions = torch.tensor([[-3.0, 0.1, 0.1]]), torch.tensor([[1.0, 0.0, 0.0]])
    box, occupied = torch.tensor([[-1.0] * 3, [1.0] * 3]), torch.ones(4, 4, 4, dtype=torch.bool)
    near, far = ray_box(origins, directions, box)
    module.march_rays(origins, directions, near, far, 0.1, occupied[None], box[None], torch.zeros(1))


def cast(module) -> None:
    none = torch.zeros(4, 4, dtype=torch.int64)
    module.cast_rays(torch.ones(3, 3), -torch.ones(3, 3), torch.zeros(4, 4), none, none, 0.0, 10.0)


def draw(module) -> None:
    c2w = torch.eye(4)
    c2w[2, 3] = 4.0
    for mode in ("3d", "2d"):
        cloud = torch.zeros(2, 3), torch.ones(2, 4), torch.full((2, 3), 0.1).requires_grad_()
        view = project(*cloud, c2w, 40.0, 20, 20, mode=mode, backend="reference")
        image, opacity = module.composite(view, torch.full((2,), 0.5), torch.ones(2, 4))
        (image.sum() + opacity.sum()).backward()
