"""Descriptions of parts and of their options: type, default, unit, range and documentation, read from the sources.

The documentation of an option is the comment behind its field, as in `samples: Count = 96  # steps across the cube`, or
above it.
`maquette describe`, the JSON schema of method files and the reference pages are made from these descriptions.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import io
import re
import textwrap
import tokenize
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal

from maquette import registry
from maquette.annotations import PathKind
from maquette.config.parts import field_types, part_kind, plain
from maquette.config.schedules import Schedule
from maquette.config.values import ranges
from maquette.errors import ConfigError

_WORDS = {int: "whole number", float: "number", str: "text", bool: "true or false", type(None): "nothing"}
_PATHS = {"input": "path", "weights": "path or name of weights", "output": "folder"}
_UNITS = {"_deg": "degrees", "_rad": "radians", "_px": "pixels"}
_MEASURES = ("scene units", "pixels", "cells", "seconds", "steps")
_SYMBOL = re.compile(
    r"""^(?:log2\ T | w\(t\)
    | (?:alpha|beta|gamma|delta|eta|lambda|phi|sigma|tau|theta|psi)(?:_\w+)?
    | [A-Za-z](?:_[A-Za-z0-9]{1,5})? )(?=$|[,;:])
    | ^[A-Za-z]_[A-Za-z]{1,3}(?=\ of\ )""",
    re.VERBOSE,
)
"""A symbol of a paper at the start of a comment or of one of its clauses: `lambda_tau`, `R_sigma`, `w(t)`, `k`."""
_ARGUMENT = re.compile(r"^\s*(\w+): (.+)$", re.MULTILINE)
_SOURCE = re.compile(r"\n\s*\n?Source: (.*?)(?=\n\s*\n|\Z)", re.DOTALL)


@dataclass(frozen=True)
class Option:
    """One option of a part, or one key of a method.

    Args:
        name: its key.
        type: for people, such as "number or schedule", "one of l1, l2" or "prior part".
        required: whether it has no default.
        default: in YAML's terms; None also where there is none.
        unit: of the number, such as "scene units"; "" without one.
        range: legal values, such as "from 0 to 1"; "": all of the type.
        doc: what it is for.
        symbol: of the paper; "" without one.
        choices: the legal texts, where only some are.
        part: kind of the part, or of the parts, that it holds; "": it holds none.
        expected: the annotated Python type.
        options: of the mapping that it holds, or of each mapping where it holds several by name.
    """

    name: str
    type: str
    required: bool
    default: Any
    unit: str
    range: str
    doc: str
    symbol: str
    choices: tuple[str, ...]
    part: str
    expected: Any
    options: tuple[Option, ...] = ()

    @property
    def several(self) -> bool:
        """Whether it holds several values, by name or in a list."""
        return typing.get_origin(self.expected) in (dict, list, tuple)

    def to_plain(self) -> dict[str, Any]:
        """All that can be written as JSON: everything but the Python type."""
        names = [field.name for field in dataclasses.fields(self) if field.name not in ("expected", "options")]
        data = {name: getattr(self, name) for name in names} | {"choices": list(self.choices)}
        return data | {"options": [option.to_plain() for option in self.options]}


@dataclass(frozen=True)
class PartDescription:
    """A part with its documentation and options.

    Args:
        kind, name: its keys in the registry.
        summary: first line of its docstring.
        doc: the rest of its docstring.
        source: paper, section and equation, from the docstring; "" without one.
        owner: the distribution that provides it.
        target: its class, as "package.module:Class".
        options: of its Config, in order.
    """

    kind: str
    name: str
    summary: str
    doc: str
    source: str
    owner: str
    target: str
    options: tuple[Option, ...]

    def to_plain(self) -> dict[str, Any]:
        """The description as JSON data."""
        texts = {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name != "options"}
        return texts | {"options": [option.to_plain() for option in self.options]}


def describe_part(kind: str, name: str) -> PartDescription:
    """The description of a part; imports it.

    Raises:
        UnknownPartError: there is no such part; the message lists the nearest and all names.
    """
    cls = registry.get(kind, name)
    text = inspect.cleandoc(cls.__doc__ or "")
    match = _SOURCE.search(f"\n{text}")
    source = " ".join(match[1].split()) if match else ""
    summary, _, rest = _SOURCE.sub("", f"\n{text}").strip().partition("\n\n")
    return PartDescription(
        kind, name, " ".join(summary.split()), rest.strip(), source, registry.source(kind, name),
        f"{cls.__module__}:{cls.__qualname__}", describe_config(cls.Config),
    )  # fmt: skip


@cache
def describe_config(cls: Any) -> tuple[Option, ...]:
    """The options of a dataclass, such as the Config of a part, in order."""
    docs, types_ = field_docs(cls), field_types(cls)
    return tuple(
        _option(field.name, types_[field.name], docs.get(field.name, ""), field)
        for field in dataclasses.fields(cls)
        if field.init
    )


def _option(name: str, expected: Any, doc: str, field: Any) -> Option:
    default = _default(field)
    nested = nested_config(expected)
    marks = ranges(expected) or [mark for item in typing.get_args(expected) for mark in ranges(item)]
    return Option(
        name,
        type_words(expected),
        required=default is dataclasses.MISSING,
        default=None if default is dataclasses.MISSING else plain(default),
        unit=_unit(name, expected, doc),
        range=", ".join(dict.fromkeys(str(mark) for mark in marks)),
        doc=doc,
        symbol=_symbol(doc),
        choices=choices(expected),
        part=held_part(expected),
        expected=expected,
        options=describe_config(nested) if nested else (),
    )


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default is not dataclasses.MISSING or field.default_factory is dataclasses.MISSING:
        return field.default
    return field.default_factory()


def _unit(name: str, expected: Any, doc: str) -> str:
    for ending, unit in _UNITS.items():
        if f"{name}_".find(f"{ending}_") >= 0 or name.endswith(f"{ending}s"):
            return unit
    clauses = re.split(r"[,;:]", doc)
    for unit in _MEASURES[:-1]:
        if any(re.search(rf"^\s*{unit}\b|\bin {unit}$|\bin {unit},|^\s*{unit}\s*$", clause) for clause in clauses):
            return unit
    return "steps" if name in ("steps", "every") or name.endswith("_every") else ""


def _symbol(doc: str) -> str:
    for clause in re.split(r"(?<=[,;:]) ", doc):
        if (match := _SYMBOL.match(clause.strip())) and match[0] not in ("a", "z"):
            return match[0]
    return ""


# Types


def type_words(expected: Any) -> str:
    """A type for people.

    Example:
        >>> type_words(dict[str, float]), type_words(tuple[int, int]), type_words(Literal["l1", "l2"])
        ('names, each with: number', 'list of 2: whole number', 'one of l1, l2')
    """
    origin, arguments = typing.get_origin(expected), typing.get_args(expected)
    if kind := part_kind(expected):
        return f"{kind} part"
    if origin is Annotated:
        path = next((mark for mark in expected.__metadata__ if isinstance(mark, PathKind)), None)
        return _path_words(path) if path else type_words(arguments[0])
    if expected is Any:
        return "anything"
    if expected is Schedule:
        return "number or schedule"
    if dataclasses.is_dataclass(expected):
        return "mapping"
    if origin is Literal:
        return f"one of {', '.join(map(_spelt, arguments))}"
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(map(type_words, arguments)))
    if origin is dict:
        return f"names, each with: {type_words(arguments[1])}"
    if origin in (list, tuple):
        return _list_words(origin, arguments)
    return _WORDS.get(expected, getattr(expected, "__name__", str(expected)))


def _path_words(path: PathKind) -> str:
    return " or ".join([*path.words, *(["whole number"] if path.numbers else []), _PATHS[path.kind]])


def _list_words(origin: Any, arguments: tuple[Any, ...]) -> str:
    if origin is list or arguments[1:] == (...,):
        return f"list of: {type_words(arguments[0])}"
    words = list(dict.fromkeys(map(type_words, arguments)))
    return f"list of {len(arguments)}: {', '.join(words)}"


def _spelt(choice: Any) -> str:
    return choice or '""' if isinstance(choice, str) else str(plain(choice)).lower()


def choices(expected: Any) -> tuple[str, ...]:
    """The legal texts of a type, or of the items of its lists; empty: they are not listed in the type."""
    origin, arguments = typing.get_origin(expected), typing.get_args(expected)
    if origin is Literal:
        return tuple(choice for choice in arguments if isinstance(choice, str))
    if origin is Annotated:
        path = next((mark for mark in expected.__metadata__ if isinstance(mark, PathKind)), None)
        return path.words if path else choices(arguments[0])
    if origin in (typing.Union, types.UnionType, list, tuple):
        return tuple(dict.fromkeys(text for argument in arguments for text in choices(argument)))
    return ()


def held_part(expected: Any) -> str:
    """Kind of the part that a type holds, alone, optionally, or by name; "" for none."""
    if kind := part_kind(expected):
        return kind
    origin, arguments = typing.get_origin(expected), typing.get_args(expected)
    inner = arguments if origin in (typing.Union, types.UnionType, dict, list, tuple) else ()
    return next((kind for argument in inner if (kind := held_part(argument))), "")


def nested_config(expected: Any) -> Any:
    """The dataclass that a type holds, alone, optionally, or by name; None for none."""
    if expected is Schedule or held_part(expected):
        return None
    if isinstance(expected, type) and dataclasses.is_dataclass(expected):
        return expected
    origin, arguments = typing.get_origin(expected), typing.get_args(expected)
    if origin is Annotated:
        return nested_config(arguments[0])
    inner = arguments if origin in (typing.Union, types.UnionType, dict, list, tuple) else ()
    return next((cls for argument in inner if (cls := nested_config(argument)) is not None), None)


# Documentation of fields


@cache
def field_docs(cls: Any) -> Mapping[str, str]:
    """Field -> documentation, for the documented fields of a dataclass and of its bases.

    It is the comment behind a field, or the comment above it, or its line in the Args of the docstring.

    Raises:
        ConfigError: the source cannot be read.
    """
    docs: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if "__dataclass_fields__" in vars(base):
            docs |= _own_docs(base)
    return docs


def _own_docs(cls: type) -> dict[str, str]:
    try:
        source = textwrap.dedent(inspect.getsource(cls))
    except (OSError, TypeError) as problem:  # made by exec, or in a zip
        raise ConfigError(f"the source of {cls.__module__}.{cls.__qualname__} cannot be read: {problem}") from None
    body = ast.parse(source).body[0]
    assert isinstance(body, ast.ClassDef)
    comments = {
        token.start[0]: token.string.lstrip("# ").rstrip()
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT and not token.string.startswith(("# fmt:", "# noqa", "# type:"))
    }
    lines, arguments = source.splitlines(), dict(_ARGUMENT.findall(cls.__doc__ or ""))
    docs = {}
    for statement in body.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            name, first, last = statement.target.id, statement.lineno, statement.end_lineno or statement.lineno
            behind = [comments[line] for line in range(first, last + 1) if line in comments]
            above: list[str] = []
            while (line := first - 1 - len(above)) in comments and lines[line - 1].lstrip().startswith("#"):
                above.insert(0, comments[line])
            if doc := " ".join(behind or above) or arguments.get(name, ""):
                docs[name] = doc
    return docs


def walk(options: tuple[Option, ...], key: str = "") -> dict[str, Option]:
    """Dotted key -> option, of these options and of all nested ones; "*" stands for a name or place in a list."""
    keys: dict[str, Option] = {}
    for option in options:
        child = f"{key}.{option.name}".lstrip(".")
        keys[child] = option
        keys |= walk(option.options, f"{child}.*" if option.several else child)
    return keys
