r"""References between the values of a config: `${prior}`, `${variables.size}`.

A text that is one reference takes the value referred to, of any type; within a text it takes its words. `\${` stands
for the characters themselves, and each pair of backslashes before a `${` for one backslash.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from maquette.config.merging import REFINED, Origins, is_reference, merge
from maquette.config.origins import error_at, leaves, locate
from maquette.errors import ConfigError, did_you_mean

_START = re.compile(r"(\\*)\$\{")
_KEY = re.compile(r"[\w<>/@ -]+(\.[\w<>/@ -]+)*")
LONGEST = 100_000  # characters of a text with its references filled in
MOST_VALUES = 100_000  # of a config with its references filled in


class Verbatim(str):
    """A text in which `${` is no reference, such as a prompt of the command line."""


def escape(text: str) -> str:
    r"""A text whose references resolve to `text` itself.

    Example:
        >>> escape("costs ${5}")
        'costs \\${5}'
    """
    return _START.sub(lambda match: match[1] * 2 + r"\${", text)


def resolve_references(data: dict[str, Any], origins: Origins) -> dict[str, Any]:
    """The data with all references filled in; values that came through one get its origins.

    Raises:
        ConfigError: a reference leads nowhere or in a circle; names key, file and line.
    """
    return _Resolver(data, origins).mapping(data, "")


class _Resolver:
    def __init__(self, data: dict[str, Any], origins: Origins) -> None:
        self._data, self._origins, self._written = data, origins, dict(origins)
        self._open: list[str] = []
        self._count = 0

    def mapping(self, data: Mapping[str, Any], key: str) -> dict[str, Any]:
        return {name: self.value(item, f"{key}.{name}".lstrip(".")) for name, item in data.items()}

    def value(self, value: Any, key: str) -> Any:
        self._count += 1
        if self._count > MOST_VALUES:
            raise self._error(f"the references of this file expand to more than {MOST_VALUES} values", key)
        if isinstance(value, Verbatim):
            return str(value)
        if isinstance(value, str):
            return self._text(value, key)
        if isinstance(value, list):
            return [self.value(item, f"{key}.{index}") for index, item in enumerate(value)]
        if not isinstance(value, dict):
            return value
        if REFINED in value:
            return self._refined(value, key)
        return self.mapping(value, key)

    def _refined(self, value: dict[str, Any], key: str) -> Any:
        """What a reference brings, with settings over it."""
        below = self.value(value[REFINED], key)
        below = {"type": below} if isinstance(below, str) else below
        if not isinstance(below, dict):
            raise self._error(f"{value[REFINED]} is no mapping that could take these settings", key)
        settings = {name: item for name, item in value.items() if name != REFINED}
        for replaced in merge(below, self.mapping(settings, key), self._origins):
            for at in [at for at in self._origins if at.startswith(f"{key}.{replaced}.")]:
                if at.removeprefix(f"{key}.") not in leaves(settings):
                    del self._origins[at]
        return below

    def _text(self, text: str, key: str) -> Any:
        if is_reference(text):
            return self._follow(text[2:-1].strip(), key)
        parts, end = [], 0
        for match in _START.finditer(text):
            if match.start() < end:
                continue
            parts.append(text[end : match.start()] + "\\" * (len(match[1]) // 2))
            end = match.end()
            if len(match[1]) % 2:
                parts.append("${")
                continue
            close = text.find("}", end)
            if close < 0:
                raise self._error(
                    "'${' begins a reference that does not end", key, hint=r"for the characters write \${"
                )
            value = self._follow(text[end:close].strip(), key)
            if isinstance(value, (dict, list)):
                raise self._error(f"${{{text[end:close]}}} is no text that could stand within a text", key)
            parts.append("" if value is None else str(value))
            end = close + 1
            if sum(map(len, parts)) > LONGEST:
                raise self._error(f"the references of this text expand to more than {LONGEST} characters", key)
        return "".join([*parts, text[end:]])

    def _follow(self, other: str, key: str) -> Any:
        """The value at the dotted key `other`, with its references filled in."""
        if not _KEY.fullmatch(other):
            raise self._error(f"'${{{other}}}' is no reference to a key", key, hint=r"for the characters write \${")
        if other in self._open or key == other or key.startswith(f"{other}."):
            raise self._error("this interpolation refers to itself in a circle", key)
        self._open.append(other)
        value = self.value(copy.deepcopy(self._at(other, key)), other)
        self._open.pop()
        self._copy_origins(other, key)
        return value

    def _at(self, other: str, key: str) -> Any:
        node: Any = self._data
        for word in other.split("."):
            if isinstance(node, dict) and REFINED in node and word not in node:
                node = {**self.value(copy.deepcopy(node), other)}
            if isinstance(node, str) and is_reference(node):
                node = self._follow(node[2:-1], key)
            if isinstance(node, dict) and word in node:
                node = node[word]
            elif isinstance(node, list) and word.isdigit() and int(word) < len(node):
                node = node[int(word)]
            else:
                raise self._error(f"Interpolation key {other!r} not found", key, hint=self._hint(other))
        return node

    def _hint(self, other: str) -> str:
        available = [at for at in (*self._data, *leaves(self._data)) if at.count(".") <= other.count(".")]
        variable = f"an environment variable in a path is written ${other}; " if other.isupper() else ""
        return f"{did_you_mean(other, available, cutoff=0.6)}{variable}for the characters write \\${{"

    def _copy_origins(self, other: str, key: str) -> None:
        """Give the keys below `key` the origins of those below `other`; a path stays relative to its file."""
        written, source = self._written.get(key), locate(self._origins, other)
        if written is not None:
            text = f"{written.text} from {source.text}" if source else written.text
            self._origins[key] = replace(written, text=text, typed=None, folder=source.folder if source else None)
        for at in [at for at in self._origins if at.startswith(f"{other}.")]:
            self._origins.setdefault(f"{key}.{at.removeprefix(f'{other}.')}", self._origins[at])

    def _error(self, message: str, key: str, hint: str = "") -> ConfigError:
        return error_at(message, key, self._origins, hint)
