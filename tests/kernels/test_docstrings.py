"""The examples in the public docstrings run."""

from __future__ import annotations

import doctest
import importlib

import pytest
import torch


@pytest.mark.parametrize(
    "name",
    [
        "hash_grid", "hash_grid.spec", "compositing", "marching", "occupancy", "tetrahedra",
        "flexicubes", "flexicubes.grid", "gaussian_field",
        "rasterise", "rasterise.silhouettes", "rasterise.texture",
        "splatting", "splatting.statistics", "splatting.harmonics",
    ],
)  # fmt: skip
def test_examples_run(name):
    module = importlib.import_module(f"maquette.kernels.{name}")
    namespace = {**vars(module), "torch": torch}
    results = doctest.testmod(module, extraglobs=namespace)
    assert results.attempted and not results.failed
