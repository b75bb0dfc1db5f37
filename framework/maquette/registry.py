"""The registry: kind and name of a part -> its class, imported when a config names it.

A built-in part is one file: `geometry: hash-grid` is the class that `geometry/hash_grid.py` registers with the line
`@register("geometry", "hash-grid")`. `maquette.plugins` declares the parts of plugins by name and import path.
Listing parts imports none of them.
"""

from __future__ import annotations

import ast
import dataclasses
import dis
import importlib
import importlib.util
import inspect
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from maquette.errors import ConfigError, PluginError, did_you_mean

KINDS: dict[str, str] = {
    "cameras": "maquette.cameras",
    "geometry": "maquette.geometry",
    "densification": "maquette.geometry.densification",
    "material": "maquette.materials",
    "background": "maquette.backgrounds",
    "renderer": "maquette.renderers",
    "prior": "maquette.priors",
    "score": "maquette.scores",
    "objective": "maquette.objectives",
    "loss": "maquette.losses",
    "data": "maquette.data",
    "generator": "maquette.generators",
    "matting": "maquette.matting",
    "stage": "maquette.stages",
    "learner": "maquette.learners",
    "dataset": "maquette.datasets",
    "exporter": "maquette.export.exporters",
    "metric": "maquette.metrics",
    "truth": "maquette.metrics.truths",
}
"""Kind of part -> package of the built-in parts."""

CONTRACTS: dict[str, str] = {
    "cameras": "maquette.cameras.base:CameraSampler",
    "geometry": "maquette.geometry.base:Geometry",
    "material": "maquette.materials.base:Material",
    "background": "maquette.backgrounds.base:Background",
    "renderer": "maquette.renderers.base:Renderer",
    "prior": "maquette.priors.base:Prior",
    "score": "maquette.scores.base:Score",
    "objective": "maquette.objectives.base:Objective",
    "generator": "maquette.generators.base:Generator",
    "matting": "maquette.matting.base:Matting",
    "loss": "maquette.losses.base:WeightedLoss",
    "data": "maquette.data.base:Data",
    "stage": "maquette.stages.base:Stage",
    "learner": "maquette.learners.base:Learner",
    "exporter": "maquette.export.base:Exporter",
    "metric": "maquette.metrics.base:Metric",
    "truth": "maquette.metrics.base:Truth",
}
"""Kind of part -> base class of its parts; data sets have protocols instead, see `maquette.datasets.base`."""

Part = TypeVar("Part", bound=type)
_classes: dict[tuple[str, str], type] = {}
_declared: dict[tuple[str, str], tuple[str, str]] = {}  # (kind, name) -> ("module:Class", declaring distribution)


FOLDERS: dict[str, str] = {package.rpartition(".")[2]: kind for kind, package in KINDS.items()}
"""Folder of a kind's parts, which is its plural -> kind: "losses" -> "loss"."""


class UnknownPartError(ConfigError):
    """No part of that kind has that name."""


def register(kind: str, name: str) -> Callable[[Part], Part]:
    """Class decorator that registers a part under its kind and name.

    Raises:
        PluginError: another class already has the name, or the class does not fulfil the contract of its kind.
        UnknownPartError: the kind does not exist.
    """
    _check_kind(kind)

    def decorate(cls: Part) -> Part:
        other = _classes.get((kind, name))
        if other is not None and (other.__module__, other.__qualname__) != (cls.__module__, cls.__qualname__):
            raise PluginError(
                f"two {kind} parts are called {name!r}: {other.__module__}.{other.__qualname__} and "
                f"{cls.__module__}.{cls.__qualname__}"
            )
        if lacks := _missing_requirements(kind, cls):
            raise PluginError(
                f"{kind} {name!r}, {cls.__module__}.{cls.__qualname__}, is unfinished: it lacks {', '.join(lacks)}; "
                f"the contract of a {kind} is in {CONTRACTS.get(kind, KINDS[kind]).partition(':')[0]}"
            )
        cls.kind, cls.part_name = kind, name  # type: ignore[attr-defined]
        _classes[kind, name] = cls
        return cls

    return decorate


def add(kind: str, name: str, target: str, source: str) -> None:
    """Declare a part by import path, without importing it.

    Args:
        kind, name: its keys in the registry.
        target: "package.module:Class".
        source: the distribution that provides it, for messages.
    """
    _check_kind(kind)
    declared = _declared.get((kind, name))
    if declared is not None and declared[0] != target:
        raise PluginError(f"{kind} {name!r} of {source} is already declared by {declared[1]}")
    if name in _built_in(kind):
        raise PluginError(f"{kind} {name!r} of {source} has the name of a built-in part")
    _declared[kind, name] = (target, source)


def forget_declared() -> None:
    """Remove all parts declared by plugins; loading the plugins again declares them again."""
    for key in _declared:
        _classes.pop(key, None)
    _declared.clear()


def names(kind: str) -> list[str]:
    """Names of all parts of a kind, sorted; imports no part."""
    _check_kind(kind)
    registered = {name for k, name in [*_declared, *_classes] if k == kind}
    return sorted(registered | set(_built_in(kind)))


def source(kind: str, name: str) -> str:
    """The distribution that provides a part."""
    return _declared[kind, name][1] if (kind, name) in _declared else "maquette"


def get(kind: str, name: str) -> Any:
    """The class of a part; imports it if necessary.

    Raises:
        UnknownPartError: there is no such part; the message lists the nearest and all names.
    """
    _check_kind(kind)
    if (kind, name) not in _classes:
        if (kind, name) in _declared:
            module, _, attribute = _declared[kind, name][0].partition(":")
            cls = getattr(importlib.import_module(module), attribute)
            if (kind, name) not in _classes:
                register(kind, name)(cls)
        elif name in _built_in(kind):
            importlib.import_module(_built_in(kind)[name])
    if (kind, name) not in _classes:
        available = names(kind)
        hint = did_you_mean(name, available)
        raise UnknownPartError(f"there is no {kind} called {name!r}", hint=f"{hint}known: {', '.join(available)}")
    return _classes[kind, name]


def summary(kind: str, name: str) -> str:
    """First line of the part's docstring, read from its source file where the part is not imported."""
    path = None if (kind, name) in _classes else _source_file(kind, name)
    text = _docstring(path, kind, name) if path else None
    return ((get(kind, name).__doc__ if text is None else text) or "").strip().split("\n")[0]


def _source_file(kind: str, name: str) -> Path | None:
    """The file of a part's class, without an import; None: there is no such part, or no such file."""
    module = _declared[kind, name][0].partition(":")[0] if (kind, name) in _declared else _built_in(kind).get(name, "")
    package, *inner = module.split(".")
    spec = importlib.util.find_spec(package) if package else None
    folder = Path(spec.origin).parent if spec and spec.origin else None
    path = folder.joinpath(*inner).with_suffix(".py") if folder and inner else None
    return path if path and path.is_file() else None


def _docstring(path: Path, kind: str, name: str) -> str | None:
    """Docstring of the class that a file registers under this name, or that a plugin declares; None: it has none."""
    classes = [node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.ClassDef)]
    target = _declared.get((kind, name), ("", ""))[0].partition(":")[2]
    line = f"register({kind!r}, {name!r})"
    for node in classes:
        if node.name == target or any(ast.unparse(decorator) == line for decorator in node.decorator_list):
            return ast.get_docstring(node)
    return None


def assigned(cls: type, attribute: str) -> bool:
    """Whether a class or one of its bases assigns the attribute, in its body or as `self.attribute = ...`."""
    for base in cls.__mro__:
        if attribute in vars(base):
            return True
        functions = [inspect.unwrap(member) for member in vars(base).values() if inspect.isfunction(member)]
        for function in functions:
            stores = (step for step in dis.get_instructions(function) if step.opname == "STORE_ATTR")
            if any(step.argval == attribute for step in stores):
                return True
    return False


def _missing_requirements(kind: str, cls: type) -> list[str]:
    """Unfulfilled requirements of the kind's contract; contracts can add some in a classmethod `lacks`."""
    lacks = []
    if not dataclasses.is_dataclass(getattr(cls, "Config", None)):
        lacks.append("a dataclass Config")
    if kind not in CONTRACTS:
        return lacks
    module, _, name = CONTRACTS[kind].partition(":")
    contract = getattr(importlib.import_module(module), name)
    if not issubclass(cls, contract):
        return [*lacks, f"the base class {module}.{name}"]
    lacks += [f"the method {method}" for method in sorted(getattr(cls, "__abstractmethods__", ()))]
    return lacks + (cls.lacks() if hasattr(cls, "lacks") else [])


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        hint = did_you_mean(kind, KINDS)
        raise UnknownPartError(f"there is no kind of part called {kind!r}", hint=f"{hint}kinds: {', '.join(KINDS)}")


@cache
def _built_in(kind: str) -> dict[str, str]:
    """Name -> module of every built-in part of a kind, from the `@register` lines of the kind's package."""
    package = Path(__file__).parent.parent.joinpath(*KINDS[kind].split("."))
    line = re.compile(rf'^@register\("{kind}", "([^"]+)"\)', re.MULTILINE)
    modules = {}
    for path in sorted(package.rglob("*.py")):
        for name in line.findall(path.read_text(encoding="utf-8")):
            modules[name] = ".".join((KINDS[kind], *path.relative_to(package).with_suffix("").parts))
    return modules
