"""A module's test is found by the module's name, in the folder that mirrors the module's own.

`losses/mask.py` has `tests/losses/**/test_mask.py`, or a test below `tests/losses` whose name has the word, such as
`test_mask_is_the_mean_squared_difference_of_opacity_and_alpha`. The files of one kernel, or of one family of priors,
may share `test_<package>.py`.
"""

from __future__ import annotations

import ast
from pathlib import Path

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


def _names(module: Path, others: list[str], functions: list[str]) -> bool:
    """Whether one of the functions has the module's name in its own, and not only within another module's name."""
    name = module.stem.lstrip("_")
    longer = [other for other in others if f"_{name}_" in f"_{other}_" and other != name]
    for function in functions:
        words = f"_{function}_"
        for other in longer:
            words = words.replace(f"_{other}_", "__")
        if f"_{name}_" in words:
            return True
    return False


def test_each_module_has_a_test_that_its_name_finds() -> None:
    missing = []
    for folder in sorted({*map(_folder, MODULES)}):
        files = _files(folder)
        stems, functions = {file.stem for file in files}, [name for file in files for name in _functions(file)]
        modules = [module for module in MODULES if _folder(module) == folder]
        others = [module.stem.lstrip("_") for module in modules]
        for module in modules:
            package = module.parts[1:-1] if folder in FAMILIES else ()
            named = stems & {f"test_{name}" for name in (module.stem.lstrip("_"), *package)}
            if not named and not _names(module, others, functions):
                missing.append(str(module))
    assert not missing, "no test_NAME.py and no test_..._NAME_... in the folder of tests that mirrors it"
