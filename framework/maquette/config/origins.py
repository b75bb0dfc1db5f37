"""Loading of YAML files as plain data, with the file and line of every key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from maquette.errors import ConfigError
from maquette.files import display_path

MERGE = "tag:yaml.org,2002:merge"  # the tag of the key '<<', which merges in the keys of another mapping
TEXT_KEYS = ("prompt", "negative_prompt", "image", "data", "summary", "name", "output")
"""Top-level keys with text values, which are never parsed as numbers or other YAML types."""


@dataclass(frozen=True)
class Origin:
    """The origin of a value: a file and line, an override, or a default."""

    text: str
    file: str = ""
    line: int | None = None


class _Loader(yaml.SafeLoader):
    """YAML with `1e-3` a number and with `yes`, `no`, `on`, `off` plain words (YAML 1.2)."""


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag not in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:float", "tag:yaml.org,2002:timestamp")
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|false|False)$"), list("tTfF"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+|\.inf|\.nan)$"),
    list("-+0123456789."),
)


def parse_value(text: str) -> Any:
    """Parse one YAML value, such as the right side of an override. Raises yaml.YAMLError."""
    return yaml.load(text, Loader=_Loader)


def load_yaml(path: Path) -> tuple[dict[str, Any], dict[str, Origin]]:
    """A YAML mapping and the origin of each dotted key.

    Raises:
        ConfigError: not readable, empty, not a mapping, a syntax error or a repeated key, with file and line.
    """
    file_name = display_path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise ConfigError(f"cannot read this file: {problem}", file=file_name) from problem
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        detail = getattr(problem, "problem", None) or str(problem)
        raise ConfigError(
            f"YAML syntax error: {detail}", file=file_name, line=mark.line + 1 if mark else None
        ) from problem
    if node is None:
        raise ConfigError("this file is empty", file=file_name, hint="a method needs at least 'stages:'")
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError("a config is a mapping of keys to values", file=file_name, line=node.start_mark.line + 1)
    origins: dict[str, Origin] = {}
    return _construct(node, "", file_name, origins, _Loader("")), origins


def _construct(node: yaml.Node, key: str, file: str, origins: dict[str, Origin], loader: _Loader) -> Any:
    line = node.start_mark.line + 1
    if key:
        origins.setdefault(key, Origin(f"{file}:{line}", file, line))
    if isinstance(node, yaml.MappingNode):
        result: dict[str, Any] = {}
        pairs = [pair for pair in node.value if pair[0].tag != MERGE]
        for _, base in (pair for pair in node.value if pair[0].tag == MERGE):
            for mapping in reversed(base.value if isinstance(base, yaml.SequenceNode) else [base]):
                if not isinstance(mapping, yaml.MappingNode):
                    raise ConfigError("'<<' takes in a mapping, such as *anchor", key=key, file=file, line=line)
                result.update(_construct(mapping, key, file, origins, loader))
        names: set[str] = set()
        for key_node, value_node in pairs:
            name = str(key_node.value)
            child = f"{key}.{name}" if key else name
            if name in names:
                raise ConfigError("this key stands twice", key=child, file=file, line=key_node.start_mark.line + 1)
            names.add(name)
            origins[child] = Origin(f"{file}:{key_node.start_mark.line + 1}", file, key_node.start_mark.line + 1)
            result[name] = _construct(value_node, child, file, origins, loader)
        return result
    if isinstance(node, yaml.SequenceNode):
        return [_construct(item, f"{key}.{i}", file, origins, loader) for i, item in enumerate(node.value)]
    if key in TEXT_KEYS and node.tag != "tag:yaml.org,2002:null":
        return node.value
    return loader.construct_object(node, deep=True)


def leaves(data: Any, key: str = "") -> Mapping[str, Any]:
    """Flatten nested mappings: dotted key -> value of every leaf of `data`."""
    if isinstance(data, dict) and data:
        result: dict[str, Any] = {}
        for name, value in data.items():
            result.update(leaves(value, f"{key}.{name}" if key else str(name)))
        return result
    return {key: data}


def locate(origins: Mapping[str, Origin], key: str) -> Origin | None:
    """Origin of a dotted key, or else of the nearest key above it; None if no such key was written."""
    while key:
        if key in origins:
            return origins[key]
        key = key.rpartition(".")[0]
    return None
