"""The registry: kind and name of a part -> its class, imported when a config names it.

A built-in part is one file: `geometry: hash-grid` is the class that `geometry/hash_grid.py` registers with the line
`@register("geometry", "hash-grid")`. `maquette.plugins` declares the parts of plugins and of local files, by name and
how they are imported. Listing parts imports none of them.

A name that two sources offer is nobody's: it is refused with both, and `source/name` says which part is meant.
`source/name` always works; the source of a built-in part is `maquette`.
"""

from __future__ import annotations

import ast
import dataclasses
import dis
import importlib
import importlib.util
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeGuard, TypeVar

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
    "schedule": "maquette.config.schedules",
    "noise": "maquette.diffusion.noise",
    "timesteps": "maquette.diffusion.timesteps",
    "objective": "maquette.objectives",
    "loss": "maquette.losses",
    "data": "maquette.data",
    "generator": "maquette.generators",
    "matting": "maquette.matting",
    "callback": "maquette.training.callbacks",
    "stop": "maquette.training.stops",
    "stereo": "maquette.stereo",
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
    "schedule": "maquette.config.schedules.base:ScheduleShape",
    "noise": "maquette.diffusion.noise.base:NoiseProcess",
    "timesteps": "maquette.diffusion.timesteps.base:TimestepSchedule",
    "objective": "maquette.objectives.base:Objective",
    "generator": "maquette.generators.base:Generator",
    "matting": "maquette.matting.base:Matting",
    "stereo": "maquette.stereo.base:Stereo",
    "loss": "maquette.losses.base:WeightedLoss",
    "data": "maquette.data.base:Data",
    "callback": "maquette.training.callbacks.base:Callback",
    "stop": "maquette.training.stops.base:Stop",
    "stage": "maquette.stages.base:Stage",
    "learner": "maquette.learners.base:Learner",
    "exporter": "maquette.export.base:Exporter",
    "metric": "maquette.metrics.base:Metric",
    "truth": "maquette.metrics.base:Truth",
}
"""Kind of part -> base class of its parts; data sets have protocols instead, see `maquette.datasets.base`."""

Part = TypeVar("Part", bound=type)
BUILT_IN = "maquette"
"""The source of built-in parts."""


@dataclasses.dataclass(frozen=True)
class Needs:
    """What a part needs of a machine, as the manifest of its plugin says it.

    Args:
        gpu: whether it computes on CUDA alone.
        memory_gb: main memory, 10^9 bytes; 0: nothing is said.
        gpu_memory_gb: memory of one GPU, 10^9 bytes; 0: nothing is said.
        weights: names on the hub, or of weights that plugins carry.
    """

    gpu: bool = False
    memory_gb: float = 0.0
    gpu_memory_gb: float = 0.0
    weights: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Declaration:
    """A part of a plugin or of a local file, declared without being imported.

    Args:
        kind, name: its keys in the registry.
        source: the distribution that provides it, or "local".
        target: "package.module:Class".
        load: imports the class; None: it may not be imported, which is so of local files outside `maquette run`.
        summary: one line that says what it does.
        owner: its source in messages, such as "plugin acme 1.0".
        place: folder of its package, or its file.
        digest: sha256 of a local file.
        needs: what it needs of a machine.
    """

    kind: str
    name: str
    source: str
    target: str
    load: Callable[[], Any] | None
    summary: str = ""
    owner: str = ""
    place: Path | None = None
    digest: str = ""
    needs: Needs = dataclasses.field(default_factory=Needs)

    @property
    def title(self) -> str:
        """The part in messages."""
        return f"{self.kind} {self.name!r} of {self.owner or self.source}"

    @property
    def file(self) -> Path | None:
        """The file that has the class, where that shows without importing it."""
        if self.place is None or self.place.suffix == ".py":
            return self.place
        path = self.place.joinpath(*self.target.partition(":")[0].split(".")[1:])
        files = (path.with_suffix(".py"), path / "__init__.py")
        return next((file for file in files if file.is_file()), None)


_classes: dict[tuple[str, str], type] = {}
_declared: dict[tuple[str, str], list[Declaration]] = {}
_loaded: dict[tuple[str, str, str], type] = {}  # (kind, source, name) -> class of a declared part
_collected: list[dict[tuple[str, str], type]] = []


FOLDERS: dict[str, str] = {package.rpartition(".")[2]: kind for kind, package in KINDS.items()}
"""Folder of a kind's parts, which is its plural -> kind: "losses" -> "loss"."""


class UnknownPartError(ConfigError):
    """No part of that kind has that name, or several have it."""


def register(kind: str, name: str) -> Callable[[Part], Part]:
    """Class decorator that registers a part under its kind and name.

    Raises:
        PluginError: another class already has the name, or the class does not fulfil the contract of its kind.
        UnknownPartError: the kind does not exist.
    """
    check_kind(kind)

    def decorate(cls: Part) -> Part:
        outside = cls.__module__.partition(".")[0] != BUILT_IN
        classes = _collected[-1] if _collected and outside else _classes
        other = classes.get((kind, name))
        if other is not None and (other.__module__, other.__qualname__) != (cls.__module__, cls.__qualname__):
            raise PluginError(
                f"two {kind} parts are called {name!r}: {other.__module__}.{other.__qualname__} and "
                f"{cls.__module__}.{cls.__qualname__}"
            )
        if lacks := missing_requirements(kind, cls):
            raise PluginError(
                f"{kind} {name!r}, {cls.__module__}.{cls.__qualname__}, is unfinished: it lacks {', '.join(lacks)}; "
                f"the contract of a {kind} is in {CONTRACTS.get(kind, KINDS[kind]).partition(':')[0]}"
            )
        cls.kind, cls.part_name = kind, name  # type: ignore[attr-defined]
        classes[kind, name] = cls
        return cls

    return decorate


@contextmanager
def collecting() -> Iterator[dict[tuple[str, str], type]]:
    """Collect the classes that the code within decorates with `register`, instead of registering them.

    Classes of maquette that are imported within are registered as ever.
    """
    _collected.append({})
    try:
        yield _collected[-1]
    finally:
        _collected.pop()


def declare(declaration: Declaration) -> None:
    """Declare a part without importing it.

    Raises:
        PluginError: its source has declared a part of this kind and name already.
        UnknownPartError: the kind does not exist.
    """
    check_kind(declaration.kind)
    others = _declared.setdefault((declaration.kind, declaration.name), [])
    if any(other.source == declaration.source for other in others):
        raise PluginError(f"{declaration.source} declares {declaration.kind} {declaration.name!r} twice")
    others.append(declaration)


def forget_declared(remains: Callable[[Declaration], bool] = lambda declaration: False) -> None:
    """Remove declared parts, but for those to keep."""
    for key, declarations in list(_declared.items()):
        for declaration in declarations:
            if not remains(declaration):
                _loaded.pop((declaration.kind, declaration.source, declaration.name), None)
        if remaining := [declaration for declaration in declarations if remains(declaration)]:
            _declared[key] = remaining
            continue
        del _declared[key]
        if key[1] not in _built_in(key[0]):
            _classes.pop(key, None)


def declarations() -> list[Declaration]:
    """All declared parts."""
    return [declaration for others in _declared.values() for declaration in others]


def names(kind: str) -> list[str]:
    """Names of all parts of a kind, sorted; imports no part. A name that several offer stands as `source/name`."""
    check_kind(kind)
    plain = {name for k, name in _classes if k == kind} | set(_built_in(kind))
    listed = {name for name in plain if sources(kind, name)[:1] == [BUILT_IN]}
    for (k, name), others in _declared.items():
        if k == kind:
            single = len(sources(kind, name)) == 1
            listed |= {name if single else f"{other.source}/{name}" for other in others}
    return sorted(listed)


def sources(kind: str, name: str) -> list[str]:
    """The sources that offer a plain name, maquette first."""
    others = _declared.get((kind, name), [])
    built_in = name in _built_in(kind) or ((kind, name) in _classes and not others)
    return [BUILT_IN] * built_in + [other.source for other in others]


def is_defined_in(kind: str, name: str, package: str) -> bool:
    """Whether a class of a package that somebody imported has registered itself under this name."""
    cls = _classes.get((kind, name))
    return cls is not None and cls.__module__.partition(".")[0] == package.partition(".")[0]


def source(kind: str, name: str) -> str:
    """The source of a part: the distribution that provides it, or "local"."""
    declared = declaration(kind, name)
    return declared.source if declared is not None else BUILT_IN


def declaration(kind: str, name: str) -> Declaration | None:
    """The declaration of a plugin's or local part; None for a built-in one, and one that is not there."""
    try:
        origin, plain = _find(kind, name)
    except UnknownPartError:
        return None
    return next((other for other in _declared.get((kind, plain), ()) if other.source == origin), None)


def get(kind: str, name: str) -> Any:
    """The class of a part; imports it if necessary.

    Args:
        name: of the part, or "source/name".

    Raises:
        UnknownPartError: there is no such part, with the nearest and all names; or several sources offer the name.
        PluginError: the part of a plugin or of a local file cannot be used.
    """
    origin, plain = _find(kind, name)
    if origin == BUILT_IN:
        if (kind, plain) not in _classes:
            importlib.import_module(_built_in(kind)[plain])
        return _classes[kind, plain]
    if (kind, origin, plain) not in _loaded:
        declared = next(other for other in _declared[kind, plain] if other.source == origin)
        if declared.load is None:
            raise PluginError(
                f"{declared.title} is not imported: that is for `maquette run` of a file that you name, and for "
                "resuming a run of your own; of another's run, read the file and give it, --parts FILE"
            )
        _loaded[kind, origin, plain] = declared.load()
    return _loaded[kind, origin, plain]


def _find(kind: str, name: str) -> tuple[str, str]:
    """Source and plain name of the part that a name means."""
    check_kind(kind)
    prefix, _, plain = name.rpartition("/")
    offers = sources(kind, plain)
    if prefix:
        offers = [offer for offer in offers if offer == prefix]
    elif BUILT_IN in offers:
        offers = [BUILT_IN]
    if len(offers) == 1:
        return offers[0], plain
    if offers:
        hint = " or ".join(f"{offer}/{plain}" for offer in offers)
        raise UnknownPartError(f"{' and '.join(offers)} both offer a {kind} called {plain!r}", hint=f"write {hint}")
    available = names(kind)
    hint = did_you_mean(name, available)
    raise UnknownPartError(f"there is no {kind} called {name!r}", hint=f"{hint}known: {', '.join(available)}")


def summary(kind: str, name: str) -> str:
    """What a part does, in one line; imports no part.

    It is the first line of the docstring of a built-in part's class, and what a plugin's manifest says.
    """
    origin, plain = _find(kind, name)
    if origin != BUILT_IN:
        return next(other.summary for other in _declared[kind, plain] if other.source == origin)
    if plain not in _built_in(kind):
        return (_classes[kind, plain].__doc__ or "").strip().split("\n")[0]
    module = Path(__file__).parent.parent.joinpath(*_built_in(kind)[plain].split(".")).with_suffix(".py")
    return registered_classes(module).get((kind, plain), "")


def registered_classes(file: Path) -> Mapping[tuple[str, str], str]:
    """Kind and name of every class that a file decorates with `register`, and the first line of its docstring.

    The file is parsed and not imported.

    Raises:
        SyntaxError: it is no Python.
    """
    classes = {}
    for node in ast.parse(file.read_text(encoding="utf-8"), str(file)).body:
        for call in node.decorator_list if isinstance(node, ast.ClassDef) else ():
            words = [word.value for word in call.args if isinstance(word, ast.Constant)] if _registers(call) else []
            if len(words) == 2 and isinstance(node, ast.ClassDef):
                classes[str(words[0]), str(words[1])] = (ast.get_docstring(node) or "").split("\n")[0]
    return classes


def _registers(call: ast.expr) -> TypeGuard[ast.Call]:
    """Whether a decorator is `register(...)` or `registry.register(...)`."""
    function = call.func if isinstance(call, ast.Call) else None
    return getattr(function, "id", getattr(function, "attr", "")) == "register"


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


def missing_requirements(kind: str, cls: type) -> list[str]:
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


def check_kind(kind: str) -> None:
    """Raise UnknownPartError, with the nearest kind, for a kind that does not exist."""
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
