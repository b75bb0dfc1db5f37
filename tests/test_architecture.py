"""docs/architecture.md names functions that exist, and its picture has every package."""

from __future__ import annotations

import ast
import re

import pytest

from project import ROOT, page
from test_floors import ORDER

PACKAGE = ROOT / "framework" / "maquette"
NAMED = re.findall(r"`([\w/]+\.py)`: ((?:`[\w.]+`(?:, )?)+)", page("architecture"))
PLACES = [(file, name) for file, names in NAMED for name in re.findall(r"`([\w.]+)`", names)]


def _defined(file: str) -> set[str]:
    """Functions and classes of a file; methods as Class.method."""
    tree = ast.parse((PACKAGE / file).read_text())
    names = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef)}
    return names


@pytest.mark.parametrize(("file", "name"), PLACES, ids=[f"{file}-{name}" for file, name in PLACES])
def test_a_walk_names_a_function_that_exists(file, name):
    assert name in _defined(file), f"docs/architecture.md: {file} has no {name}"


def test_the_walks_are_read():
    assert len(PLACES) > 30


def test_the_picture_has_every_package():
    drawn = set(re.findall(r">(\w+)</text>", (ROOT / "docs" / "images" / "floors.svg").read_text()))
    assert drawn == set(ORDER), "run `make docs`"
