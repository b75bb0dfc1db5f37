"""triton as one more backend of the tests: its interpreter runs the CUDA kernels on CPU tensors.

The variable must stand before a kernel is first loaded, hence at the import of this file.
"""

from __future__ import annotations

import importlib.util
import os

import pytest

os.environ.setdefault("TRITON_INTERPRET", "1")

needs_triton = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="triton is not installed; it exists for Linux only"
)
TRITON = pytest.param("triton", marks=needs_triton)
