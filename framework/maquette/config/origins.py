"""Loading of YAML 1.2 files as plain data, with the file and line of every key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from maquette.errors import ConfigError
from maquette.files import decode_text, display_path

MERGE = "tag:yaml.org,2002:merge"  # the tag of the key '<<', which merges in the keys of another mapping
TEXT_KEYS = (
    "prompt", "negative_prompt", "image", "mask", "video", "data", "dataset", "heightmap", "labels", "style", "path",
    "summary", "name", "output",
)  # fmt: skip
"""Top-level keys with text values, which are never parsed as numbers or other YAML types."""
MOST_VALUES = 50_000  # of one file, with its aliases written out
DEEPEST = 64  # mappings and lists in each other
TAGS = {
    yaml.ScalarNode: ("str", "int", "float", "bool", "null"),
    yaml.MappingNode: ("map",),
    yaml.SequenceNode: ("seq",),
}
"""YAML's own tags by kind of node; others would make objects of a text."""


@dataclass(frozen=True)
class Origin:
    """The origin of a value: a file and line, an override, or a default.

    Args:
        text: for people.
        file, line: its place in a file.
        folder: folder of the file, to which the value is relative if it is a path; None: the working folder.
        typed: the value as it was typed, for keys that hold text: `prompt: 1984` is no number.
    """

    text: str
    file: str = ""
    line: int | None = None
    folder: Path | None = None
    typed: str | None = None


class _Loader(yaml.SafeLoader):
    """YAML 1.2: `1e-3` is a number, `010` ten and `1:30` text, and `yes`, `no`, `on`, `off` are plain words."""


_REPLACED = ("bool", "float", "int", "timestamp")
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag.rpartition(":")[2] not in _REPLACED]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|false|False)$"), list("tTfF"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$"), list("-+0123456789")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+|\.inf|\.nan)$"),
    list("-+0123456789."),
)


def _construct_int(loader: _Loader, node: yaml.ScalarNode) -> int:
    text = str(node.value)
    return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))


_Loader.add_constructor("tag:yaml.org,2002:int", _construct_int)


class _Dumper(yaml.SafeDumper):
    """YAML that this module loads to the same data: text that either version of YAML would change is quoted."""


_Dumper.yaml_implicit_resolvers = {
    first: [
        *yaml.SafeDumper.yaml_implicit_resolvers.get(first, []), *_Loader.yaml_implicit_resolvers.get(first, []),
    ]
    for first in {*yaml.SafeDumper.yaml_implicit_resolvers, *_Loader.yaml_implicit_resolvers}
}  # fmt: skip


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if text.isprintable() else '"')


_Dumper.add_representer(str, _represent_text)


def dump_yaml(data: Any) -> str:
    """Plain data as YAML that `load_yaml` reads back."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


def dump_flow(data: Any) -> str:
    """Plain data as YAML in one line, such as the right side of an override.

    Example:
        >>> dump_flow({"type": "cfg", "scale": 7.5}), dump_flow("a: b")
        ('{type: cfg, scale: 7.5}', "'a: b'")
    """
    text = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10**6, default_flow_style=True)
    return text.removesuffix("\n").removesuffix("\n...")


def parse_value(text: str, key: str = "") -> tuple[Any, dict[str, Origin]]:
    """One YAML value, such as the right side of an override, and the origins of the keys within it, as typed.

    Raises:
        ConfigError: it is no YAML value.
    """
    node = _compose(text, key=key, hint="quote it")
    if node is None:
        return None, {}
    construction = _Construction(key, "")
    return construction.value(node, key), construction.origins


def load_yaml(path: Path) -> tuple[dict[str, Any], dict[str, Origin]]:
    """A YAML mapping and the origin of each dotted key.

    Raises:
        ConfigError: not readable, empty, not a mapping, not YAML or not plain data, with file and line.
    """
    file = display_path(path)
    try:
        text = decode_text(path.read_bytes())
    except (OSError, UnicodeDecodeError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else f"it is no text: {problem}"
        raise ConfigError(f"cannot read this file: {reason}", file=file) from problem
    node = _compose(text, file=file)
    if node is None:
        raise ConfigError("this file is empty", file=file, hint="a method needs at least 'stages:'")
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError("a config is a mapping of keys to values", file=file, line=node.start_mark.line + 1)
    construction = _Construction("", file, path.absolute().parent)
    return construction.value(node, ""), construction.origins


UNREADABLE = "(cannot be read: "


def top_level_text(path: Path, key: str) -> str:
    """The text at a top-level key of a YAML file, read no further than there; "" without one.

    A file that cannot be read gives the reason in brackets, as one line of a list that goes on.
    """
    depth, name = 0, None
    try:
        for event in yaml.parse(decode_text(path.read_bytes()), Loader=_Loader):
            if isinstance(event, yaml.ScalarEvent) and depth == 1:
                if name == key:
                    return " ".join(str(event.value).split())
                name = str(event.value) if name is None else None
            elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
                depth += 1
            elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
                depth -= 1
                name = None if depth == 1 else name
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as problem:
        reason = getattr(problem, "problem", None) or getattr(problem, "strerror", None) or problem
        mark = getattr(problem, "problem_mark", None)
        return f"{UNREADABLE}{display_path(path)}{f':{mark.line + 1}' if mark else ''}: {reason})"
    return ""


def _compose(text: str, file: str = "", key: str = "", hint: str = "") -> yaml.Node | None:
    try:
        return yaml.compose(text, Loader=_Loader)
    except RecursionError:
        raise ConfigError("mappings and lists are nested too deeply", key=key, file=file) from None
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        detail = getattr(problem, "problem", None) or getattr(problem, "reason", None) or str(problem)
        if isinstance(problem, yaml.reader.ReaderError):
            line: int | None = text.count("\n", 0, int(problem.position)) + 1
            detail = (
                f"the character U+{ord(text[problem.position]):04X} is not allowed; write it as an escape in quotes"
            )
        else:
            line = mark.line + 1 if mark else None
        if not file:
            raise ConfigError(f"cannot read the value {text!r}: {detail}", key=key, hint=hint) from problem
        raise ConfigError(f"YAML syntax error: {detail}", file=file, line=line) from problem


class _Construction:
    """Construction of plain data from the nodes of one file, with origins.

    Args:
        root: dotted key of the value.
        file: for messages; "": the command line.
        folder: of the file.
    """

    def __init__(self, root: str, file: str, folder: Path | None = None) -> None:
        self.origins: dict[str, Origin] = {}
        self._file, self._folder, self._loader = file, folder, _Loader("")
        self._open: list[yaml.Node] = []
        self._count = 0

    def value(self, node: yaml.Node, key: str) -> Any:
        """The value of a node, whose dotted key is `key`."""
        self._count += 1
        if any(node is outer for outer in self._open):
            raise self._error("this alias takes itself in", key, node)
        if len(self._open) > DEEPEST:
            raise self._error(f"mappings and lists are nested more than {DEEPEST} deep", key, node)
        if self._count > MOST_VALUES:
            raise self._error(f"the aliases of this file expand to more than {MOST_VALUES} values", key, node)
        self._check_tag(node, key)
        if key:
            self.origins.setdefault(key, self._origin(node))
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, key)
        self._open.append(node)
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, key)
            return [self.value(item, f"{key}.{i}") for i, item in enumerate(node.value)]
        finally:
            self._open.pop()

    def _mapping(self, node: yaml.MappingNode, key: str) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for _, base in (pair for pair in node.value if pair[0].tag == MERGE):
            for mapping in reversed(base.value if isinstance(base, yaml.SequenceNode) else [base]):
                if not isinstance(mapping, yaml.MappingNode):
                    raise self._error("'<<' takes in a mapping, such as *anchor", key, node)
                result.update(self.value(mapping, key))
        names: set[str] = set()
        for key_node, value_node in node.value:
            if key_node.tag == MERGE:
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                raise self._error("a key is a word, and not a list or mapping", key, key_node)
            name = str(key_node.value)
            child = f"{key}.{name}" if key else name
            if name in names:
                raise self._error("this key stands twice", child, key_node)
            names.add(name)
            self.origins[child] = self._origin(key_node, value_node)
            result[name] = self.value(value_node, child)
        return result

    def _scalar(self, node: yaml.ScalarNode, key: str) -> Any:
        if key in TEXT_KEYS and node.tag != "tag:yaml.org,2002:null":
            return str(node.value)
        try:
            return self._loader.construct_object(node, deep=True)
        except (yaml.YAMLError, ValueError, KeyError):
            kind = node.tag.rpartition(":")[2]
            raise self._error(f"{node.value!r} is no {kind}", key, node, hint="quote it if it is text") from None

    def _check_tag(self, node: yaml.Node, key: str) -> None:
        tag = node.tag.removeprefix("tag:yaml.org,2002:")
        if tag == "value":
            raise self._error("a lone '=' is no value", key, node, hint="quote it if it is text")
        if tag != "!" and (tag == node.tag or tag not in TAGS[type(node)]):
            name = node.tag if tag == node.tag else f"!!{tag}"
            raise self._error(f"the tag {name} is not read here", key, node, hint="write plain values")

    def _origin(self, node: yaml.Node, value: yaml.Node | None = None) -> Origin:
        line, value = node.start_mark.line + 1, value or node
        typed = str(value.value) if isinstance(value, yaml.ScalarNode) and not value.tag.endswith(":null") else None
        return Origin(f"{self._file}:{line}", self._file, line, self._folder, typed)

    def _error(self, message: str, key: str, node: yaml.Node, hint: str = "") -> ConfigError:
        line = node.start_mark.line + 1 if self._file else None
        return ConfigError(message, key=key, file=self._file, line=line, hint=hint)


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


def error_at(message: str, key: str, origins: Mapping[str, Origin], hint: str = "") -> ConfigError:
    """An error about a dotted key, with the file and line where it, or the nearest key above it, was written."""
    origin = locate(origins, key) or Origin("")
    return ConfigError(message, key=key, file=origin.file, line=origin.line, hint=hint)
