"""Typed configs of parts, and their validation from plain data with errors that name key, file and line."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any

from maquette import plugins, registry
from maquette.config.capabilities import Capabilities
from maquette.config.origins import Origin
from maquette.config.schedules import Schedule
from maquette.errors import ConfigError, did_you_mean


class SettingError(ValueError):
    """An error that a config raises about one of its keys.

    Args:
        message: the problem.
        key: relative to the config, such as "losses.depth".
        hint: the remedy; "{key}" is replaced by the full key.
    """

    def __init__(self, message: str, key: str, hint: str) -> None:
        self.message, self.key, self.hint = message, key, hint
        super().__init__(f"{key}: {message}; {hint}")


@dataclass(frozen=True)
class PartSpec:
    """A part that is selected and configured, but not built.

    Args:
        kind, name: its keys in the registry.
        cls: the class.
        config: an instance of `cls.Config`.
    """

    kind: str
    name: str
    cls: Any
    config: Any

    @property
    def capabilities(self) -> Capabilities:
        """What the configured part needs and gives."""
        return self.cls.capabilities(self.config)

    def build(self, **dependencies: Any) -> Any:
        """Instantiate the part: `cls(config, **dependencies)`."""
        return self.cls(self.config, **dependencies)


@dataclass(frozen=True)
class PartOf:
    """Annotation of a `PartSpec` field with the kind of part that it holds."""

    kind: str


CamerasSpec = Annotated[PartSpec, PartOf("cameras")]
GeometrySpec = Annotated[PartSpec, PartOf("geometry")]
DensificationSpec = Annotated[PartSpec, PartOf("densification")]
MaterialSpec = Annotated[PartSpec, PartOf("material")]
BackgroundSpec = Annotated[PartSpec, PartOf("background")]
RendererSpec = Annotated[PartSpec, PartOf("renderer")]
PriorSpec = Annotated[PartSpec, PartOf("prior")]
ScoreSpec = Annotated[PartSpec, PartOf("score")]
ObjectiveSpec = Annotated[PartSpec, PartOf("objective")]
LossSpec = Annotated[PartSpec, PartOf("loss")]
DataSpec = Annotated[PartSpec, PartOf("data")]
StageSpec = Annotated[PartSpec, PartOf("stage")]
LearnerSpec = Annotated[PartSpec, PartOf("learner")]
DatasetSpec = Annotated[PartSpec, PartOf("dataset")]
ExporterSpec = Annotated[PartSpec, PartOf("exporter")]
MetricSpec = Annotated[PartSpec, PartOf("metric")]


def part_field(kind: str, name: str, **settings: Any) -> Any:
    """A dataclass field with a part of these settings as default; its class is imported when the default is used."""

    def build_spec() -> PartSpec:
        cls = registry.get(kind, name)
        return PartSpec(kind, name, cls, cls.Config(**settings))

    return dataclasses.field(default_factory=build_spec)


Locate = Callable[[str], Origin | None]
_NAMES = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}


def check(expected: Any, value: Any, key: str, locate: Locate) -> Any:
    """Convert `value` to the type `expected`: leaves are checked, dataclasses built, parts looked up.

    Args:
        expected: a type; dataclasses, Annotated parts, containers and unions nest.
        value: plain data.
        key: dotted key of the value.
        locate: dotted key -> its origin.

    Raises:
        ConfigError: naming the innermost key at fault.
    """
    part = _part_kind(expected)
    if part is not None:
        return _check_part(part, value, key, locate)
    if expected is Any:
        return value
    if expected is Schedule:
        try:
            return Schedule.parse(value)
        except (ValueError, TypeError) as problem:
            raise _error(str(problem), key, locate) from None
    if dataclasses.is_dataclass(expected):
        return _check_dataclass(expected, value, key, locate)
    origin, arguments = typing.get_origin(expected), typing.get_args(expected)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        inner = [a for a in arguments if a is not type(None)]
        if len(inner) == 1:
            return check(inner[0], value, key, locate)
        return _check_leaf(expected, value, key, locate)
    if origin is dict:
        _require(isinstance(value, Mapping), value, "a mapping of names to values", key, locate)
        return {
            name: check(arguments[1], _with_type(name, item, arguments[1]), f"{key}.{name}", locate)
            for name, item in value.items()
        }
    if origin in (list, tuple) and (origin is list or arguments[1:] == (...,)):
        _require(isinstance(value, (list, tuple)), value, "a list", key, locate)
        return origin(check(arguments[0], item, f"{key}.{i}", locate) for i, item in enumerate(value))
    return _check_leaf(expected, value, key, locate)


def _part_kind(expected: Any) -> str | None:
    if typing.get_origin(expected) is Annotated:
        return next((m.kind for m in expected.__metadata__ if isinstance(m, PartOf)), None)
    return None


def _with_type(name: str, value: Any, expected: Any) -> Any:
    """A part in a mapping of parts may leave out its type when it goes by its own name."""
    if _part_kind(expected) is None or isinstance(value, str) or (isinstance(value, Mapping) and "type" in value):
        return value
    return {"type": name, **(value or {})} if value is None or isinstance(value, Mapping) else value


def _check_part(kind: str, value: Any, key: str, locate: Locate) -> PartSpec:
    plugins.load()
    if isinstance(value, str):
        value = {"type": value}
    _require(isinstance(value, Mapping), value, f"a {kind}: its name, or a mapping with 'type'", key, locate)
    if "type" not in value:
        names = ", ".join(registry.names(kind))
        raise _error(f"a {kind} needs a 'type'", key, locate, hint=f"known: {names}")
    try:
        cls = registry.get(kind, str(value["type"]))
    except registry.UnknownPartError as problem:
        raise _error(problem.message, f"{key}.type", locate, hint=problem.hint) from None
    config = {name: item for name, item in value.items() if name != "type"}
    return PartSpec(kind, str(value["type"]), cls, _check_dataclass(cls.Config, config, key, locate))


@cache
def _hints(cls: Any) -> dict[str, Any]:
    return typing.get_type_hints(cls, include_extras=True)


def _check_dataclass(cls: Any, value: Any, key: str, locate: Locate) -> Any:
    _require(isinstance(value, Mapping), value, "a mapping of keys to values", key, locate)
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}
    for name in value:
        if name not in fields:
            hint = did_you_mean(str(name), fields)
            field_names = ", ".join(fields) or "none"
            raise _error("unknown key", f"{key}.{name}".lstrip("."), locate, hint=f"{hint}known here: {field_names}")
    arguments = {}
    for name, field in fields.items():
        child = f"{key}.{name}".lstrip(".")
        if name in value:
            arguments[name] = check(_hints(cls)[name], value[name], child, locate)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise _error("missing value", child, locate, hint=f"give it as {child}=...")
    try:
        return cls(**arguments)
    except SettingError as problem:
        child = f"{key}.{problem.key}".lstrip(".")
        raise _error(problem.message, child, locate, hint=problem.hint.replace("{key}", child)) from None
    except ValueError as problem:
        raise _error(str(problem), key, locate) from None


def _check_leaf(expected: Any, value: Any, key: str, locate: Locate) -> Any:
    from pydantic import ConfigDict, TypeAdapter, ValidationError

    if expected is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if isinstance(value, list):
        value = tuple(value)
    try:
        return TypeAdapter(expected, config=ConfigDict(strict=True)).validate_python(value)
    except ValidationError as problem:
        expectation = _NAMES.get(expected) or problem.errors()[0]["msg"].lower().removeprefix("input should be ")
        raise _error(f"expected {expectation}, got {_show(value)}", key, locate) from None


def _show(value: Any) -> str:
    kind = {str: "the text", bool: "the truth value", int: "the number", float: "the number"}.get(type(value), "")
    return f"{kind} {value!r}".strip() if value is not None else "nothing"


def _require(good: bool, value: Any, expectation: str, key: str, locate: Locate) -> None:
    if not good:
        raise _error(f"expected {expectation}, got {_show(value)}", key, locate)


def _error(message: str, key: str, locate: Locate, hint: str = "") -> ConfigError:
    origin = locate(key)
    file, line = (origin.file or origin.text, origin.line) if origin else ("", None)
    return ConfigError(message, key=key, file=file, line=line, hint=hint)


def plain(value: Any) -> Any:
    """The YAML form of typed config data, including defaults: the inverse of `check`."""
    if isinstance(value, PartSpec):
        return {"type": value.name, **plain(value.config)}
    if isinstance(value, Schedule):
        return value.to_plain()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value) if field.init}
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value
