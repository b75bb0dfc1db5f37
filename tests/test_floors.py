"""The floors of CONTRIBUTING.md hold: a file imports from its own package and from what stands earlier in the list."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "framework" / "maquette"
LISTED = re.search(r"```text floors\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
FLOORS = re.findall(r"^ *\d* +((?:\w+(?:\.py|/) ?)+)", LISTED[1] if LISTED else "", re.MULTILINE)
ORDER = [name.removesuffix("/").removesuffix(".py") for line in FLOORS for name in line.split()]
FILES = sorted(PACKAGE.rglob("*.py"))


def _module(file: Path) -> str:
    return ".".join(("maquette", *file.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")


MODULES = {_module(file): file for file in FILES}


def _imports(file: Path) -> Iterator[str]:
    """Modules of ours that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(file.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno} imports relatively"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            if name.split(".")[0] == "maquette":
                yield name if name in MODULES else name.rpartition(".")[0]


def _top(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def test_every_top_level_module_stands_on_a_floor_and_every_floor_exists() -> None:
    known = {_top(module) for module in MODULES} - {"", "__main__"}
    assert sorted(ORDER) == sorted(known)


@pytest.mark.parametrize("file", FILES, ids=_module)
def test_a_file_imports_its_own_package_and_what_stands_earlier(file: Path) -> None:
    here = _top(_module(file))
    for module in _imports(file):
        there = _top(module)
        if here in ("", "__main__") or there in ("", here):
            continue
        assert ORDER.index(there) < ORDER.index(here), f"{_module(file)} imports {module}"
        private = any(part.startswith("_") for part in module.split("."))
        assert not private, f"{_module(file)} imports the private {module}"


def test_no_package_imports_itself_in_a_circle() -> None:
    edges = {module: set(_imports(file)) - {module} for module, file in MODULES.items()}
    done: set[str] = set()

    def visit(module: str, above: tuple[str, ...]) -> None:
        assert module not in above, " -> ".join((*above[above.index(module) :], module))
        if module not in done:
            for other in sorted(edges.get(module, ())):
                visit(other, (*above, module))
            done.add(module)

    for module in MODULES:
        visit(module, ())


def test_nothing_in_the_framework_names_the_plugin_of_small_priors() -> None:
    """Configs name it: the framework works without it, and so do its messages and examples."""
    texts = [file for file in PACKAGE.rglob("*") if file.suffix in {".py", ".j2", ".yaml", ".toml"}]
    assert len(texts) > 400
    assert [file for file in texts if "nano" in file.read_text()] == []
