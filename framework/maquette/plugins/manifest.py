"""The manifest of a plugin, `maquette-plugin.toml` in its package: what it declares, read without importing it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from maquette.errors import PluginError, did_you_mean
from maquette.registry import KINDS, Needs

FILE = "maquette-plugin.toml"
SCHEMA = 1
API_VERSION = "1.0"
"""Version of the plugin interface: the manifest, `register(hooks)` and the contracts of parts."""

NEEDS = ("gpu", "weights")
_NAME = re.compile(r"\w[\w.-]*")
_TARGET = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
_TEXT, _TEXTS, _SIZE = "a text", "a list of texts", "a number of gigabytes above 0"
_KEYS = {"schema": "a whole number", "api": _TEXT, "license": _TEXT, "register": _TEXT, "parts": "tables, [[parts]]"}
_PART_KEYS = {
    "kind": _TEXT, "name": _TEXT, "target": _TEXT, "summary": _TEXT, "license": _TEXT, "needs": _TEXTS,
    "weights": _TEXTS, "memory_gb": _SIZE, "gpu_memory_gb": _SIZE,
}  # fmt: skip
_REQUIRED, _PART_REQUIRED = ("schema", "api"), ("kind", "name", "target", "summary")


@dataclass(frozen=True)
class PartEntry:
    """One part of a manifest.

    Args:
        kind, name: its keys in the registry.
        target: "package.module:Class".
        summary: one line that says what it does.
        license: SPDX name; "": none is given.
        needs: what it needs of a machine.
        line: of the manifest, from 1.
    """

    kind: str
    name: str
    target: str
    summary: str
    license: str = ""
    needs: Needs = field(default_factory=Needs)
    line: int | None = None


@dataclass(frozen=True)
class Manifest:
    """A manifest that was read and checked.

    Args:
        path: of the file.
        api: versions of the plugin interface that the plugin is for, such as ">=1,<2".
        license: of parts that give none.
        register: "package.module:function", called with `Hooks`; "": there is none.
        parts: what it declares.
    """

    path: Path
    api: str
    license: str = ""
    register: str = ""
    parts: tuple[PartEntry, ...] = field(default=())


def read_manifest(path: Path) -> Manifest:
    """Read and check a manifest.

    Raises:
        PluginError: it is missing, no TOML, of another schema, for another version of the interface, or one of its
            values is wrong; naming key, file and line.
    """
    try:
        text = path.read_bytes().decode("utf-8")
        data = tomllib.loads(text)
    except (OSError, ValueError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else str(problem)
        raise PluginError(f"cannot read {path}: {reason}") from None
    return _Reading(path, text).manifest(data)


@dataclass(frozen=True)
class _Reading:
    path: Path
    text: str

    def manifest(self, data: Mapping[str, Any]) -> Manifest:
        if data.get("schema", SCHEMA) != SCHEMA:
            raise self.error(
                f"schema {data['schema']!r} is none that this maquette reads", "schema", f"it reads {SCHEMA}"
            )
        self.check_keys(data, _KEYS, _REQUIRED, "", None)
        self.check_api(data["api"])
        register = data.get("register", "")
        if register and not _TARGET.fullmatch(register):
            raise self.error(f"{register!r} is no function", "register", "write PACKAGE.MODULE:FUNCTION")
        license_name = data.get("license", "")
        parts = tuple(self.part(part, index, license_name) for index, part in enumerate(data.get("parts", ())))
        for index, part in enumerate(parts):
            if any((other.kind, other.name) == (part.kind, part.name) for other in parts[:index]):
                raise self.error(f"{part.kind} {part.name!r} is declared twice", "name", line=part.line)
        return Manifest(self.path, data["api"], license_name, register, parts)

    def part(self, data: Mapping[str, Any], index: int, license_name: str) -> PartEntry:
        line = self.line_of_part(index)
        self.check_keys(data, _PART_KEYS, _PART_REQUIRED, f"parts.{index}.", line)
        key = f"parts.{index}"
        if data["kind"] not in KINDS:
            hint = f"{did_you_mean(data['kind'], KINDS)}kinds: {', '.join(KINDS)}"
            raise self.error(f"there is no kind of part called {data['kind']!r}", f"{key}.kind", hint, line)
        if not _NAME.fullmatch(data["name"]):
            hint = "a name has letters, digits, '-', '_' and '.'"
            raise self.error(f"{data['name']!r} is no name of a part", f"{key}.name", hint, line)
        if not _TARGET.fullmatch(data["target"]):
            hint = "write PACKAGE.MODULE:CLASS"
            raise self.error(f"{data['target']!r} is no class", f"{key}.target", hint, line)
        if stray := [need for need in data.get("needs", ()) if need not in NEEDS]:
            hint = f"{did_you_mean(stray[0], NEEDS)}known: {', '.join(NEEDS)}"
            raise self.error(f"{stray[0]!r} is no need of a part", f"{key}.needs", hint, line)
        if "weights" in data.get("needs", ()) and not data.get("weights"):
            raise self.error("it needs weights, and names none", f"{key}.weights", 'weights = ["org/name"]', line)
        summary, license_name = " ".join(data["summary"].split()), data.get("license", license_name)
        return PartEntry(data["kind"], data["name"], data["target"], summary, license_name, _needs(data), line)

    def check_keys(
        self, data: Any, types: Mapping[str, str], required: tuple[str, ...], prefix: str, line: int | None
    ) -> None:
        if not isinstance(data, Mapping):
            raise self.error("expected a table", prefix.rstrip("."), "write [[parts]] above its keys", line)
        for key, value in data.items():
            if key not in types:
                hint = f"{did_you_mean(key, types)}known here: {', '.join(types)}"
                raise self.error("unknown key", f"{prefix}{key}", hint, line)
            if not _is(types[key], value):
                raise self.error(f"expected {types[key]}, got {value!r}", f"{prefix}{key}", "", line)
        for key in required:
            if not str(data.get(key, "")).strip():
                raise self.error(
                    "missing value", f"{prefix}{key}", f"every {'part' if prefix else 'plugin'} has one", line
                )

    def check_api(self, api: str) -> None:
        from packaging.specifiers import InvalidSpecifier, SpecifierSet

        try:
            fits = SpecifierSet(api).contains(API_VERSION)
        except InvalidSpecifier:
            raise self.error(f"{api!r} is no range of versions", "api", 'write, for instance, ">=1,<2"') from None
        if not fits:
            hint = f"this maquette has {API_VERSION}: install versions of both that go together"
            raise self.error(f"it is for version {api} of the plugin interface", "api", hint)

    def line_of(self, key: str) -> int | None:
        lines = self.text.splitlines()
        return next((i for i, line in enumerate(lines, 1) if re.match(rf"\s*{re.escape(key)}\s*=", line)), None)

    def line_of_part(self, index: int) -> int | None:
        lines = [i for i, line in enumerate(self.text.splitlines(), 1) if line.strip().startswith("[[parts]]")]
        return lines[index] if index < len(lines) else None

    def error(self, message: str, key: str, hint: str = "", line: int | None = None) -> PluginError:
        line = line or self.line_of(key)
        place = f"{self.path}:{line}" if line else str(self.path)
        return PluginError(f"{key}: {message} ({place})" + (f"; {hint}" if hint else ""))


def _needs(data: Mapping[str, Any]) -> Needs:
    gpu_memory = float(data.get("gpu_memory_gb", 0))
    gpu = "gpu" in data.get("needs", ()) or gpu_memory > 0
    return Needs(gpu, float(data.get("memory_gb", 0)), gpu_memory, tuple(data.get("weights", ())))


def _is(expected: str, value: Any) -> bool:
    if expected == _SIZE:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0
    if expected == _TEXT:
        return isinstance(value, str)
    if expected == _TEXTS:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    return isinstance(value, list) if expected == _KEYS["parts"] else isinstance(value, int)
