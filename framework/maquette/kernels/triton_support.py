"""Shared by all triton backends: the launch of kernels, and their number of programs.

triton comes with torch's CUDA builds for Linux and compiles a kernel at its first call. Where TRITON_INTERPRET=1 is set
before the first import, its interpreter runs the same kernels on CPU tensors, a program at a time: slow, and enough to
test them without a GPU.
"""

from __future__ import annotations

import contextlib
import subprocess
from functools import cache
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from triton.errors import TritonError


def launch(compiled: Any, programs: tuple[int, ...], *arguments: Any, **constants: Any) -> None:
    """Run a kernel in a grid of programs, on the device of its first argument; nowhere if the grid is empty.

    Tensors go in as pointers to contiguous memory: an input that is not contiguous is copied, an output must be so.
    """
    if 0 in programs:
        return
    packed = [argument.detach().contiguous() if isinstance(argument, Tensor) else argument for argument in arguments]
    on_cuda = packed[0].is_cuda
    with torch.cuda.device(packed[0].device) if on_cuda else contextlib.nullcontext():
        compiled[programs](*packed, **constants)


def power_of_two(count: int) -> int:
    """The smallest power of two that is not less than `count`; triton's blocks have such sides."""
    return 1 << max(count - 1, 0).bit_length()


@cache
def problem() -> str:
    """Why kernels do not run on this machine's GPU, in words; empty where they do, and where there is no GPU.

    triton needs more than its package: a driver it knows and, for the code that starts a kernel, a C compiler.
    """
    if not torch.cuda.is_available():
        return ""
    values = torch.ones(16, device="cuda")
    try:
        launch(_double, (1,), values, BLOCK=16)
    except (TritonError, RuntimeError, OSError, subprocess.SubprocessError) as error:
        return f"triton cannot compile a kernel ({error})"
    return "" if bool((values == 2).all()) else "triton's kernels give wrong values"


@triton.jit
def _double(values, BLOCK: tl.constexpr):
    i = tl.arange(0, BLOCK)
    tl.store(values + i, tl.load(values + i) * 2)
