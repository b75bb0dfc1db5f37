"""Printing of a resolved config: each value with its origin and its legal range as an aligned comment."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from maquette.config.origins import Origin
from maquette.config.parts import PartSpec, field_types
from maquette.config.values import ranges


def annotate_origins(text: str, origin: Callable[[str], Origin], legal: Mapping[str, str] | None = None) -> str:
    """`text` (YAML) with a comment `# file:line; range` after each line that holds a value.

    Args:
        text: a resolved config.
        origin: dotted key -> origin.
        legal: dotted key -> legal range.
    """
    keys = _keys_by_line(yaml.compose(text), "")
    lines = text.splitlines()
    width = min(max((len(line) for line in lines), default=0), 70) + 2
    annotated_lines = []
    for number, line in enumerate(lines):
        comment = ""
        if number in keys:
            allowed = (legal or {}).get(keys[number])
            comment = f"# {origin(keys[number]).text}" + (f"; {allowed}" if allowed else "")
        annotated_lines.append(f"{line:<{width}}{comment}".rstrip())
    return "\n".join(annotated_lines) + "\n"


def legal_ranges(config: Any, key: str = "") -> dict[str, str]:
    """Dotted key -> legal range, of every number of a typed config that has one.

    Args:
        config: a dataclass, a part, or a container of them.
        key: its dotted key.
    """
    if isinstance(config, PartSpec):
        return legal_ranges(config.config, key)
    if isinstance(config, Mapping):
        return _of_all({str(name): (item, Any) for name, item in config.items()}, key)
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        types = field_types(type(config))
        return _of_all({name: (getattr(config, name), types[name]) for name in types if hasattr(config, name)}, key)
    return {}


def _of_all(items: Mapping[str, tuple[Any, Any]], key: str) -> dict[str, str]:
    legal: dict[str, str] = {}
    for name, (value, expected) in items.items():
        child = f"{key}.{name}".lstrip(".")
        inner = typing.get_args(expected)[1:] if typing.get_origin(expected) is dict else ()
        marks = ranges(expected) or [mark for item in typing.get_args(expected) for mark in ranges(item)]
        if marks and not inner:
            legal[child] = ", ".join(dict.fromkeys(str(mark) for mark in marks))
        if isinstance(value, Mapping) and inner and ranges(inner[0]):
            legal |= {f"{child}.{word}": str(ranges(inner[0])[0]) for word in value}
        elif value is not None:
            legal |= legal_ranges(value, child)
    return legal


def _keys_by_line(node: yaml.Node | None, key: str) -> dict[int, str]:
    if isinstance(node, yaml.MappingNode):
        keys: dict[int, str] = {}
        for name, value in node.value:
            keys.update(_keys_by_line(value, f"{key}.{name.value}".lstrip(".")))
        return keys
    if isinstance(node, yaml.SequenceNode) and node.value and key:
        return {node.start_mark.line: key}
    return {node.start_mark.line: key} if node is not None and key else {}
