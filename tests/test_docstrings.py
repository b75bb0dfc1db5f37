"""The examples in all docstrings run."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import numpy as np
import pytest
import torch

from project import ROOT

PACKAGES = (ROOT / "framework" / "maquette", ROOT / "plugins" / "maquette-nano" / "maquette_nano")


def with_examples(package: Path) -> list[str]:
    """The names of a package's modules that show examples."""
    paths = sorted(path for path in package.rglob("*.py") if ">>> " in path.read_text(encoding="utf-8"))
    names = (path.relative_to(package.parent).with_suffix("").parts for path in paths)
    return [".".join(parts).removesuffix(".__init__") for parts in names]


@pytest.mark.parametrize("name", [name for package in PACKAGES for name in with_examples(package)])
def test_examples_run(name):
    examples = doctest.testmod(importlib.import_module(name), extraglobs={"torch": torch, "np": np})
    assert examples.attempted and not examples.failed
