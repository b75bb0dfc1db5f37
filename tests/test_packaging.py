"""What is claimed of Python and of packages is what the code asks for."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest

from project import ROOT, page

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PLUGIN = tomllib.loads((ROOT / "plugins" / "maquette-nano" / "pyproject.toml").read_text())["project"]
UNPUBLISHED = {"nvdiffrast"}  # not on PyPI; `maquette doctor` says how to install it


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _named(requirements: list[str]) -> set[str]:
    """Distributions that a list of requirements names."""
    return {_plain(re.match(r"[\w.-]+", line)[0]) for line in requirements}  # type: ignore[index]


CORE = _named(PROJECT["project"]["dependencies"])
EXTRAS = {name: _named(lines) for name, lines in PROJECT["project"]["optional-dependencies"].items()}


def _imported(folder: str, top_level: bool = False) -> set[str]:
    """Packages of others that the files of a folder import; `top_level`: at the top of a file."""
    packages = set()
    for file in (ROOT / folder).rglob("*.py"):
        tree = ast.parse(file.read_text())
        for node in tree.body if top_level else ast.walk(tree):
            if isinstance(node, ast.Import):
                packages |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                packages.add(node.module.split(".")[0])
    return packages - set(sys.stdlib_module_names) - {"maquette", "maquette_nano"}


def _distributions(packages: set[str]) -> set[str]:
    known = packages_distributions()
    return {_plain(known.get(package, [package])[0]) for package in packages - UNPUBLISHED}


def test_every_import_is_declared():
    assert _distributions(_imported("framework")) <= CORE | set().union(*EXTRAS.values())


def test_what_a_file_imports_at_its_top_is_core_or_has_a_backend_of_its_own():
    assert _distributions(_imported("framework", top_level=True)) - CORE <= {"triton"}


def test_every_core_dependency_is_imported():
    assert _distributions(_imported("framework")) >= CORE


def test_the_nano_plugin_declares_its_imports():
    declared = _named(PLUGIN["dependencies"] + PLUGIN["optional-dependencies"]["mesh"])
    assert _distributions(_imported("plugins/maquette-nano/maquette_nano")) <= declared | CORE


def test_the_page_has_a_line_for_each_core_dependency():
    rows = re.findall(r"^\| ([\w, -]+) \|", page("dependencies"), re.MULTILINE)
    named = {_plain(name.strip()) for row in rows for name in row.split(",")} - {"package"}
    assert named == CORE


def test_one_range_of_python_is_claimed_everywhere():
    low, high = map(int, re.fullmatch(r">=3\.(\d+),<3\.(\d+)", PROJECT["project"]["requires-python"]).groups())
    assert PLUGIN["requires-python"] == PROJECT["project"]["requires-python"]
    assert PROJECT["tool"]["ruff"]["target-version"] == f"py3{low}"
    assert PROJECT["tool"]["mypy"]["python_version"] == f"3.{low}"
    for file in ("README.md", "Makefile"):
        assert f"Python 3.{low} to 3.{high - 1}" in (ROOT / file).read_text(), file


@pytest.mark.parametrize("name", sorted(CORE | EXTRAS["dev"]))
def test_every_dependency_has_a_pin(name):
    pins = {_plain(line.split("==")[0]) for line in (ROOT / "constraints.txt").read_text().splitlines()}
    assert name in pins
