"""What docs/architecture.md names is there: each file, and each class, method or function in it."""

from __future__ import annotations

import ast
import re

import pytest
from project import ROOT, page

NAMED = re.findall(r"`([\w/]+\.py)`: ((?:`[\w.]+`(?:, )?)+)", page("architecture"))


def _definitions(tree: ast.Module) -> set[str]:
    names = {name.id for name in ast.walk(tree) if isinstance(name, ast.Name)}
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef)}
    return names


def test_the_page_walks_through_functions() -> None:
    assert len(NAMED) > 20


@pytest.mark.parametrize(("file", "names"), NAMED)
def test_what_the_page_names_is_there(file: str, names: str) -> None:
    definitions = _definitions(ast.parse((ROOT / "framework" / "maquette" / file).read_text()))
    missing = [name for name in re.findall(r"`([\w.]+)`", names) if name not in definitions]
    assert not missing, f"{file} has no {missing}"
