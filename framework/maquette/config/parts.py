"""Typed configs of parts, and their validation from plain data with errors that name key, file and line."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Annotated, Any, ClassVar, TypeVar

from maquette import plugins, registry
from maquette.annotations import PathKind, Range
from maquette.config.capabilities import Capabilities
from maquette.config.merging import merge
from maquette.config.schedules import LINEAR, Schedule, check_settings
from maquette.config.values import Locate, check_leaf, check_path, check_ranges, config_error, quoted, ranges
from maquette.errors import ConfigError, PluginError, did_you_mean

Value = TypeVar("Value")


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
        with plugins.naming(self.kind, self.name):
            return self.cls.capabilities(self.config)

    def build(self, **dependencies: Any) -> Any:
        """Instantiate the part: `cls(config, **dependencies)`."""
        if self.cls is UnreadPart:
            raise UnreadPartError(
                f"{self.kind} {self.name!r} is a part of a local file, which is not imported here; in `maquette run`, "
                "give the file: --parts FILE"
            )
        with plugins.naming(self.kind, self.name):
            return self.cls(self.config, **dependencies)


class UnreadPart:
    """Stands for the class of a local part that is not imported; its config is the mapping that was written."""

    changeable: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def capabilities(cls, config: Any) -> Capabilities:
        """Raises UnreadPartError."""
        raise UnreadPartError("what a part of a local file needs and gives is not looked into")


class UnreadPartError(PluginError):
    """A local part that is not imported is asked for more than its name."""


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
NoiseSpec = Annotated[PartSpec, PartOf("noise")]
TimestepsSpec = Annotated[PartSpec, PartOf("timesteps")]
ObjectiveSpec = Annotated[PartSpec, PartOf("objective")]
LossSpec = Annotated[PartSpec, PartOf("loss")]
DataSpec = Annotated[PartSpec, PartOf("data")]
GeneratorSpec = Annotated[PartSpec, PartOf("generator")]
MattingSpec = Annotated[PartSpec, PartOf("matting")]
CallbackSpec = Annotated[PartSpec, PartOf("callback")]
StopSpec = Annotated[PartSpec, PartOf("stop")]
StereoSpec = Annotated[PartSpec, PartOf("stereo")]
StageSpec = Annotated[PartSpec, PartOf("stage")]
LearnerSpec = Annotated[PartSpec, PartOf("learner")]
DatasetSpec = Annotated[PartSpec, PartOf("dataset")]
ExporterSpec = Annotated[PartSpec, PartOf("exporter")]
MetricSpec = Annotated[PartSpec, PartOf("metric")]
TruthSpec = Annotated[PartSpec, PartOf("truth")]


def part(kind: str, name: str, **settings: Any) -> PartSpec:
    """A part of typed settings, the others at their defaults."""
    cls = registry.get(kind, name)
    return PartSpec(kind, name, cls, cls.Config(**settings))


def part_field(kind: str, name: str, **settings: Any) -> Any:
    """A dataclass field with a part of these settings as default; its class is imported when the default is used."""
    return dataclasses.field(default_factory=partial(part, kind, name, **settings))


def check(expected: Any, value: Any, key: str, locate: Locate) -> Any:
    """Convert `value` to the type `expected`: leaves are checked, dataclasses built, parts looked up, paths resolved.

    Args:
        expected: a type; dataclasses, Annotated parts, containers and unions nest.
        value: plain data.
        key: dotted key of the value.
        locate: dotted key -> its origin.

    Raises:
        ConfigError: naming the innermost key at fault.
    """
    return _Check(locate).value(expected, value, key)


@dataclass(frozen=True)
class _Check:
    locate: Locate

    def value(self, expected: Any, value: Any, key: str) -> Any:
        part = part_kind(expected)
        if part is not None:
            return self._part(part, value, key)
        origin, arguments = typing.get_origin(expected), typing.get_args(expected)
        if origin is Annotated:
            return self._annotated(arguments[0], arguments[1:], value, key)
        if expected is Any:
            return value
        if expected is Schedule:
            return self._schedule(value, key)
        if dataclasses.is_dataclass(expected):
            return self._dataclass(expected, value, key)
        if origin in (typing.Union, types.UnionType):
            return self._union(expected, arguments, value, key)
        if origin is dict:
            self._require(isinstance(value, Mapping), value, "a mapping of names to values", key)
            return {
                name: self.value(arguments[1], _with_type(name, item, arguments[1]), f"{key}.{name}")
                for name, item in value.items()
            }
        if origin in (list, tuple) and (origin is list or arguments[1:] == (...,)):
            self._require(isinstance(value, (list, tuple)), value, "a list", key)
            return origin(self.value(arguments[0], item, f"{key}.{i}") for i, item in enumerate(value))
        if origin is tuple and any(typing.get_origin(argument) is Annotated for argument in arguments):
            length = f"a list of {len(arguments)} values"
            self._require(isinstance(value, (list, tuple)) and len(value) == len(arguments), value, length, key)
            return tuple(
                self.value(argument, item, f"{key}.{i}")
                for i, (argument, item) in enumerate(zip(arguments, value, strict=True))
            )
        return check_leaf(expected, value, key, self.locate)

    def _annotated(self, expected: Any, marks: Sequence[Any], value: Any, key: str) -> Any:
        result = self.value(expected, value, key)
        check_ranges([mark for mark in marks if isinstance(mark, Range)], result, key, self.locate)
        for mark in marks:
            if isinstance(mark, PathKind):
                result = check_path(mark, result, key, self.locate)
        return result

    def _union(self, expected: Any, arguments: Sequence[Any], value: Any, key: str) -> Any:
        if value is None and type(None) in arguments:
            return None
        inner = [argument for argument in arguments if argument is not type(None)]
        parts = [argument for argument in inner if part_kind(argument)]
        if parts and (isinstance(value, Mapping) or len(parts) == len(inner)):  # a part's name is a part, too
            return self.value(parts[0], value, key)
        inner = [argument for argument in inner if argument not in parts]
        if len(inner) == 1:
            return self.value(inner[0], value, key)
        result = check_leaf(expected, value, key, self.locate)
        check_ranges(ranges(expected), result, key, self.locate)
        return result

    def _schedule(self, value: Any, key: str) -> Schedule:
        def configure(easing: str, settings: Mapping[str, Any]) -> Any:
            plugins.load()
            check_settings(easing, settings)
            options = self._part("schedule", {"type": easing, **settings}, key).config
            return options if settings else None  # None: its defaults, as in schedules that are written in code

        try:
            return Schedule.parse(value, configure)
        except (ValueError, TypeError) as problem:
            raise self._error(str(problem), key) from None

    def _part(self, kind: str, value: Any, key: str) -> PartSpec:
        plugins.load()
        if isinstance(value, str):
            value = {"type": value}
        self._require(isinstance(value, Mapping), value, f"a {kind}: its name, or a mapping with 'type'", key)
        if "type" not in value:
            names = ", ".join(registry.names(kind))
            raise self._error(f"a {kind} needs a 'type'", key, hint=f"known: {names}")
        declared = registry.declaration(kind, str(value["type"]))
        if declared is not None and declared.load is None:
            settings = {name: item for name, item in value.items() if name != "type"}
            return PartSpec(kind, str(value["type"]), UnreadPart, settings)
        try:
            cls = registry.get(kind, str(value["type"]))
        except registry.UnknownPartError as problem:
            raise self._error(problem.message, f"{key}.type", hint=problem.hint) from None
        except PluginError as problem:
            raise self._error(str(problem), f"{key}.type") from problem
        with plugins.naming(kind, str(value["type"])):
            config = self._dataclass(cls.Config, {name: item for name, item in value.items() if name != "type"}, key)
        if kind == "stage" and hasattr(config, "steps"):
            self._check_schedules(config, config.steps, key)
        return PartSpec(kind, str(value["type"]), cls, config)

    def _check_schedules(self, config: Any, total: int, key: str) -> None:
        """Check all schedules of a stage against its number of steps."""
        for child, schedule in instances_within(config, Schedule, key):
            try:
                schedule.check_order(total)
            except ValueError as problem:
                raise self._error(str(problem), child) from None

    def _dataclass(self, cls: Any, value: Any, key: str) -> Any:
        self._require(isinstance(value, Mapping), value, "a mapping of keys to values", key)
        fields = {field.name: field for field in dataclasses.fields(cls) if field.init}
        for name in value:
            if name not in fields:
                child = f"{key}.{name}".lstrip(".")
                if str(name).startswith("~"):
                    raise self._error("there is nothing to remove", child, hint="nothing below this file has the key")
                hint = did_you_mean(str(name), fields)
                field_names = ", ".join(fields) or "none"
                raise self._error("unknown key", child, hint=f"{hint}known here: {field_names}")
        arguments = {}
        for name, field in fields.items():
            child = f"{key}.{name}".lstrip(".")
            if name in value:
                arguments[name] = self.value(field_types(cls)[name], _over_default(field, cls, value[name]), child)
            elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
                raise self._error("missing value", child, hint=f"give it as {child}=...")
        try:
            return cls(**arguments)
        except SettingError as problem:
            child = f"{key}.{problem.key}".lstrip(".")
            raise self._error(problem.message, child, hint=problem.hint.replace("{key}", child)) from None
        except (ValueError, OSError) as problem:  # of a path that no file system takes
            message = problem.strerror if isinstance(problem, OSError) else None
            raise self._error(message or str(problem), key) from None

    def _require(self, good: bool, value: Any, expectation: str, key: str) -> None:
        if not good:
            raise self._error(f"expected {expectation}, got {quoted(value)}", key)

    def _error(self, message: str, key: str, hint: str = "") -> ConfigError:
        return config_error(message, key, self.locate, hint)


def part_kind(expected: Any) -> str | None:
    """The kind of the part that an annotated type holds; None: it holds none."""
    if typing.get_origin(expected) is Annotated:
        return next((m.kind for m in expected.__metadata__ if isinstance(m, PartOf)), None)
    return None


def _with_type(name: str, value: Any, expected: Any) -> Any:
    """A part in a mapping of parts may leave out its type when it goes by its own name."""
    if part_kind(expected) is None or isinstance(value, str) or (isinstance(value, Mapping) and "type" in value):
        return value
    return {"type": name, **(value or {})} if value is None or isinstance(value, Mapping) else value


def _over_default(field: dataclasses.Field[Any], cls: Any, value: Any) -> Any:
    """A mapping without a `type` adds settings to the part that the field has by default."""
    if not isinstance(value, Mapping) or "type" in value or part_kind(field_types(cls)[field.name]) is None:
        return value
    default = field.default
    if field.default_factory is not dataclasses.MISSING:
        default = field.default_factory()
    if not isinstance(default, PartSpec):
        return value
    settings = plain(default)
    merge(settings, value)
    return settings


@cache
def field_types(cls: Any) -> dict[str, Any]:
    """Name -> type of the fields of a dataclass, with their annotations."""
    return typing.get_type_hints(cls, include_extras=True)


def instances_within(config: Any, kind: type[Value], key: str = "") -> Iterator[tuple[str, Value]]:
    """Dotted key and value of every instance of a class within typed config data, those within parts included."""
    if isinstance(config, kind):
        yield key, config
    if isinstance(config, PartSpec):
        yield from instances_within(config.config, kind, key)
    elif isinstance(config, Schedule):
        if config.easing != LINEAR:
            yield from instances_within(_shape_spec(config), kind, key)
    elif isinstance(config, Mapping):
        for name, item in config.items():
            yield from instances_within(item, kind, f"{key}.{name}")
    elif isinstance(config, (list, tuple)):
        for index, item in enumerate(config):
            yield from instances_within(item, kind, f"{key}.{index}")
    elif dataclasses.is_dataclass(config) and not isinstance(config, type):
        for field in dataclasses.fields(config):
            yield from instances_within(getattr(config, field.name, None), kind, f"{key}.{field.name}")


def _shape_spec(schedule: Schedule) -> PartSpec:
    """The shape of a schedule as a part."""
    options = schedule.options
    if isinstance(options, Mapping):
        return PartSpec("schedule", schedule.easing, UnreadPart, options)
    cls = registry.get("schedule", schedule.easing)
    return PartSpec("schedule", schedule.easing, cls, cls.Config() if options is None else options)


def unread_parts(config: Any) -> list[str]:
    """One sentence about each local part of typed config data that is not imported."""
    specs = [spec for _, spec in instances_within(config, PartSpec) if spec.cls is UnreadPart]
    return [
        f"{spec.kind} {spec.name!r} is a local part and not looked into: `maquette run` alone imports it"
        for spec in specs
    ]


def plain(value: Any, defaults: bool = True) -> Any:
    """The YAML form of typed config data: the inverse of `check`.

    Args:
        value: of any type of a configuration.
        defaults: whether values that are those of their keys without being given are in it, too.
    """
    if isinstance(value, PartSpec):
        return {"type": value.name, **plain(value.config, defaults)}
    if isinstance(value, Schedule):
        return value.to_plain()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [field for field in dataclasses.fields(value) if field.init]
        if not defaults:
            fields = [field for field in fields if getattr(value, field.name) != _default(field)]
        return {field.name: plain(getattr(value, field.name), defaults) for field in fields}
    if isinstance(value, Mapping):
        return {name: plain(item, defaults) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item, defaults) for item in value]
    return value


def _default(field: dataclasses.Field[Any]) -> Any:
    """The default of a dataclass's field; MISSING: it has none."""
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
