"""A module's test is found by the module's name, in the folder that mirrors the module's own.

`meshes/winding.py` has `tests/meshes/**/test_winding.py`, or a test below `tests/meshes` whose name holds the word, as
`test_winding_of_a_cube_turned_inside_out` does. The files of one kernel, or of one family of priors, may share
`test_<package>.py`.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "framework" / "maquette"
UNNAMED = ("__init__", "__main__", "base")
FAMILIES = ("kernels", "priors")  # their packages are one thing each: a kernel's backends, a prior with its parts
MODULES = [file.relative_to(PACKAGE) for file in sorted(PACKAGE.rglob("*.py")) if file.stem not in UNNAMED]


def _folder(module: Path) -> str:
    """The folder of `tests` that mirrors a module's package."""
    return module.parts[0] if len(module.parts) > 1 else ""


def _files(folder: str) -> list[Path]:
    tests = ROOT / "tests"
    return sorted((tests / folder).rglob("test_*.py") if folder else tests.glob("test_*.py"))


def _functions(file: Path) -> list[str]:
    nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    return [node.name for node in nodes if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]


STEMS = {folder: {file.stem for file in _files(folder)} for folder in {*map(_folder, MODULES)}}
FUNCTIONS = {folder: [name for file in _files(folder) for name in _functions(file)] for folder in STEMS}


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_module_has_a_test_that_its_name_finds(module: Path) -> None:
    folder, name = _folder(module), module.stem.lstrip("_")
    stems = [name, *module.parts[1:-1]] if folder in FAMILIES else [name]
    files = [stem for stem in stems if f"test_{stem}" in STEMS[folder]]
    functions = [function for function in FUNCTIONS[folder] if f"_{name}_" in f"{function}_"]
    assert files or functions, f"no test_{name}.py and no test_..._{name}_... in {Path('tests', folder)}"
