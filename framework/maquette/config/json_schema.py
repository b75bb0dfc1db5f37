"""The JSON schema of method files, recipes, laptop files and suites, for editors.

A file that extends another gives only what differs, so that nothing is required; keys, types, ranges and names are
checked where the schema can tell the part. A mapping without `type` may have the options of any part of its kind.
The schema is of draft 7, which YAML's language server reads.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from maquette import registry
from maquette.annotations import PathKind, Range
from maquette.config.descriptions import Option, describe_config, describe_part
from maquette.config.parts import part_kind
from maquette.config.schedules import FIELDS, Schedule
from maquette.config.schema import MethodConfig

Schema = dict[str, Any]
DRAFT = "http://json-schema.org/draft-07/schema#"
REFERENCE: Schema = {"type": "string", "pattern": r"\$\{"}
PERCENT: Schema = {"type": "string", "pattern": r"^[0-9.]+%$"}
REMOVAL = {"^~": {"description": "takes out what the files below have here"}}
LEAVES: dict[Any, Schema] = {
    int: {"type": "integer"}, float: {"type": "number"}, bool: {"type": "boolean"},
    str: {"type": ["string", "number", "boolean"]}, type(None): {"type": "null"}, Any: {},
}  # fmt: skip


def method_schema(suite: type | None = None) -> Schema:
    """The JSON schema of all config files.

    Args:
        suite: dataclass of a suite; None: files of suites are not described.
    """
    definitions: dict[str, Schema] = {"reference": REFERENCE, "keys": _keys(), "method": _method()}
    for kind in registry.KINDS:
        names = registry.names(kind)
        parts = {name: describe_part(kind, name) for name in names}
        definitions[kind] = _part(kind, names)
        definitions[f"{kind}.any"] = _any_part({name: part.options for name, part in parts.items()}, kind)
        for name, part in parts.items():
            definitions[f"{kind}.{name}"] = _named_part(kind, name, part.summary, part.options)
    schema: Schema = {"$schema": DRAFT, "title": "maquette", "definitions": definitions}
    if suite is None:
        return schema | _ref("method")
    definitions["suite"] = _object(describe_config(suite), "a suite of `maquette bench run`")
    return schema | {"if": {"required": ["cases"]}, "then": _ref("suite"), "else": _ref("method")}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/definitions/{name}"}


def _keys() -> Schema:
    """The keys of a method that a `when:` block or a laptop file may have, too."""
    schema = _object(describe_config(MethodConfig), "a method's keys")
    for kind in ("prior", "stereo"):
        schema["properties"][kind] = {"anyOf": [_ref(kind), {"type": "string"}]} | _texts("shared by stages")
    return schema


def _method() -> Schema:
    schema = _keys()
    texts = {"type": "object", "additionalProperties": {"type": "string"}}
    schema["properties"] |= {
        "extends": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
        | _texts("method or methods that this file changes: names, or paths relative to it"),
        "defaults": texts | _texts("group -> choice, such as {prior: sd15}"),
        "groups": texts | _texts("group -> choice, as a run recorded them"),
        "when": {"type": "object", "additionalProperties": _ref("keys")}
        | _texts("condition, such as prior=sd15,sd21 -> keys that hold under it"),
        "for": {
            "type": "object",
            "additionalProperties": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
        }
        | _texts("of a laptop file: group -> choices that it is for"),
    }
    return schema


def _texts(description: str, **more: Any) -> Schema:
    return {"description": description, **more} if description else dict(more)


# Parts


def _part(kind: str, names: list[str]) -> Schema:
    """A part: its name, a reference, or a mapping whose options depend on `type`."""
    cases = [{"if": _of_type({"const": name}), "then": _ref(f"{kind}.{name}")} for name in names]
    other = {"if": {"not": {"required": ["type"]}}, "then": _ref(f"{kind}.any")}
    mapping = {"type": "object", "properties": {"type": _names(kind, names)}, "allOf": [*cases, other]}
    return _either([_names(kind, names), mapping])


def _of_type(name: Schema) -> Schema:
    return {"required": ["type"], "properties": {"type": name}}


def _names(kind: str, names: list[str]) -> Schema:
    return {"anyOf": [{"enum": names}, _ref("reference")]} | _texts(f"name of a {kind} part")


def _named_part(kind: str, name: str, summary: str, options: Iterable[Option]) -> Schema:
    schema = _object(options, summary)
    schema["properties"] |= {"type": {"const": name}, **_places(kind)}
    return schema


def _any_part(parts: Mapping[str, Iterable[Option]], kind: str) -> Schema:
    """The options of all parts of a kind, for a mapping that does not say which it is."""
    properties: dict[str, list[Schema]] = {}
    for options in parts.values():
        for option in options:
            schema = _option(option)
            variants = properties.setdefault(option.name, [])
            if schema not in variants:
                variants.append(schema)
    return _mapping(
        {name: forms[0] if len(forms) == 1 else {"anyOf": forms} for name, forms in properties.items()} | _places(kind)
    )


def _places(kind: str) -> dict[str, Schema]:
    """Where an added stage stands."""
    if kind != "stage":
        return {}
    return {word: {"type": "string"} | _texts(f"stage {word} which this one stands") for word in ("after", "before")}


# Options


def _object(options: Iterable[Option], description: str = "") -> Schema:
    return _mapping({option.name: _option(option) for option in options}) | _texts(description)


def _mapping(properties: dict[str, Schema]) -> Schema:
    return {
        "type": "object", "properties": properties, "patternProperties": REMOVAL, "additionalProperties": False,
    }  # fmt: skip


def _option(option: Option) -> Schema:
    unit = f" ({option.unit})" if option.unit and option.unit not in option.doc else ""
    schema = _either([*_alternatives(option.expected), _ref("reference")])
    default = {} if option.required else {"default": option.default}
    return schema | _texts(f"{option.doc or option.type}{unit}", **default)


def _alternatives(expected: Any) -> list[Schema]:
    """The forms of a value, one of which it has."""
    schema = _value(expected)
    return schema["anyOf"] if set(schema) == {"anyOf"} else [schema]


def _value(expected: Any, marks: Iterable[Range] = ()) -> Schema:
    origin, arguments = typing.get_origin(expected), typing.get_args(expected)
    if kind := part_kind(expected):
        return _ref(kind)
    if origin is Annotated:
        return _annotated(arguments[0], arguments[1:], marks)
    if expected is Schedule:
        return _schedule(marks)
    if isinstance(expected, type) and dataclasses.is_dataclass(expected):
        return _object(describe_config(expected))
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [form for argument in arguments for form in _alternatives(argument)]}
    if origin is dict:
        return _names_to(arguments[1])
    if origin in (list, tuple):
        return _list(origin, arguments)
    schema = LEAVES.get(expected, {})
    return schema | _bounds(marks) if expected in (int, float) else schema


def _annotated(inner: Any, annotations: Iterable[Any], marks: Iterable[Range]) -> Schema:
    if any(isinstance(mark, PathKind) for mark in annotations):
        return {"type": ["string", "number"]}
    return _value(inner, [*marks, *(mark for mark in annotations if isinstance(mark, Range))])


def _bounds(marks: Iterable[Range]) -> Schema:
    bounds: Schema = {}
    for mark in marks:
        low, high = ("exclusiveMinimum", "exclusiveMaximum") if mark.open else ("minimum", "maximum")
        bounds |= {low: mark.low} if math.isfinite(mark.low) else {}
        bounds |= {high: mark.high} if math.isfinite(mark.high) else {}
    return bounds


def _schedule(marks: Iterable[Range]) -> Schema:
    """A number, points [step, value], or {type: cosine, from: 1.0, to: 0.1, start: 0, end: 100%}."""
    number = {"type": "number"} | _bounds(marks)
    step = {"anyOf": [{"type": "integer", "minimum": 0}, PERCENT]}
    point = {"type": "array", "items": [step, number], "minItems": 2, "maxItems": 2}
    names = registry.names("schedule")
    values = {"type": {"enum": names}, "from": number, "to": number, "start": step, "end": step}
    options = [option for name in names for option in describe_part("schedule", name).options]
    properties = {option.name: _option(option) for option in options} | {name: values[name] for name in FIELDS}
    eased = {"type": "object", "properties": properties, "additionalProperties": False}
    return {"anyOf": [number, {"type": "array", "items": point, "minItems": 1}, eased]}


def _names_to(expected: Any) -> Schema:
    """A mapping of names to values; a part in it may go by its own name, and a value may be left to its defaults."""
    schema: Schema = {"type": "object", "patternProperties": dict(REMOVAL)}
    values = _either([*_alternatives(expected), {"type": "null"}, _ref("reference")])
    if kind := part_kind(expected):
        schema["properties"] = {name: _by_own_name(kind, name) for name in registry.names(kind)}
    return schema | {"additionalProperties": values}


def _by_own_name(kind: str, name: str) -> Schema:
    """A part in a mapping under its own name; as a mapping it needs no type."""
    mapping = {"if": {"required": ["type"]}, "then": _ref(kind), "else": _ref(f"{kind}.{name}")}
    short = {"anyOf": [{"type": "null"}, _ref("reference"), {"enum": registry.names(kind)}]}
    # Editors add the colon after a completed name where they see alternatives.
    return {"anyOf": [{"if": {"type": "object"}, "then": mapping, "else": short}]}


def _either(forms: list[Schema]) -> Schema:
    """A value of one of several forms; a mapping, of which there is one, is recognised by its type.

    Otherwise an editor says of a mapping with a wrong key that it is none of the other forms, and not which key it is.
    """
    references = [form for form in forms if "$ref" in form and form != _ref("reference")]  # to a part, or to its name
    mappings = [form for form in forms if form.get("type") == "object" or form in references]
    if len(mappings) != 1 or len(forms) == 1:
        return {"anyOf": forms}
    others = [form for form in forms if form not in mappings or form in references]
    return {"anyOf": [{"if": {"type": "object"}, "then": mappings[0], "else": {"anyOf": others}}]}


def _list(origin: Any, arguments: tuple[Any, ...]) -> Schema:
    if origin is list or arguments[1:] == (...,):
        return {"type": "array", "items": {"anyOf": [*_alternatives(arguments[0]), _ref("reference")]}}
    items = [{"anyOf": [*_alternatives(argument), _ref("reference")]} for argument in arguments]
    return {"type": "array", "items": items, "minItems": len(items), "maxItems": len(items)}
