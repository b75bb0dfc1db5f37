"""triton as one more backend of the tests: its interpreter, asked for in `tests/conftest.py`, runs the CUDA kernels on
CPU tensors."""

from __future__ import annotations

import importlib.util

import pytest

needs_triton = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="triton is not installed; it exists for Linux only"
)
TRITON = pytest.param("triton", marks=needs_triton)


def amount(backend: str, many: int, few: int) -> int:
    """How many rays, points or Gaussians a test takes: few under the interpreter, which runs a program at a time."""
    return few if backend == "triton" else many
