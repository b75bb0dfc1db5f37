"""Loading of a method by name and command-line overrides into one typed, resolved configuration.

`layers` says which of the layers wins, `merging` what a layer does to those below, `references` what `${...}` means,
and `paths` what paths are relative to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from maquette.config import paths
from maquette.config.foreign import foreign_keys, read_foreign
from maquette.config.layers import compose
from maquette.config.local_files import declared, refuse_key, select_files
from maquette.config.merging import Origins
from maquette.config.method_files import MethodFile, read_files
from maquette.config.origins import Origin, dump_yaml, leaves, locate
from maquette.config.overrides import apply_settings, check_reach, parse_overrides, restore_references
from maquette.config.parts import check, plain
from maquette.config.references import Verbatim, escape, resolve_references
from maquette.config.schema import MethodConfig
from maquette.errors import ConfigError
from maquette.files import display_path
from maquette.plugins.local import UNREAD, LocalFile, LocalParts

MISSING = "???"
KEYS = frozenset(field.name for field in fields(MethodConfig))
REQUIRABLE = ("prompt", "image", "video", "data", "dataset")  # keys that a method may require from its user


@dataclass(frozen=True)
class ResolvedConfig:
    """A resolved method configuration, ready to run.

    Args:
        method: typed configuration.
        origins: dotted key -> origin of its value; keys without one hold defaults.
        groups: group -> chosen file, e.g. {"prior": "sd15"}.
        source: the method file, for messages.
        local_files: its files with local parts.
    """

    method: MethodConfig
    origins: dict[str, Origin]
    groups: dict[str, str]
    source: str
    local_files: tuple[LocalFile, ...] = ()

    @property
    def plain(self) -> dict[str, Any]:
        """The whole configuration as plain data, including defaults."""
        return {**plain(self.method), "groups": dict(self.groups)}

    def origin(self, key: str) -> Origin:
        """Origin of the value of a dotted key; `Origin("default")` if it was not written."""
        named = self.origins.get(key.removesuffix(".type"))  # `renderer: volume` says a type, too
        return self.origins.get(key) or named or Origin("default")

    def to_yaml(self) -> str:
        """YAML that loads to the same configuration, from any folder."""
        return dump_yaml(_escape(self.plain))


def load_method(
    name_or_path: str,
    overrides: Sequence[str] = (),
    folder: str = "methods",
    stand_ins: Mapping[str, str] | None = None,
    overrides_folder: Path | None = None,
    local: LocalParts = UNREAD,
) -> ResolvedConfig:
    """Load, compose, resolve and type-check a method.

    Args:
        name_or_path: a name under `configs/<folder>`, a YAML file, or `SCHEME:PATH`, which a plugin reads.
        overrides: `key=value` words; `prior=sd15` swaps a group file, `prior.path=...` sets one key in it, and
            `~stages.export` removes one.
        stand_ins: values of top-level keys that the method requires and nothing gives, for looking at it.
        overrides_folder: to which paths in the overrides are relative; None: the working folder.
        local: whether local files are imported, and which are given.

    Raises:
        ConfigError: the configuration is invalid; raised before models are loaded.
        PluginError: a local file fails.
    """
    files = _files(name_or_path, folder)
    path = files[-1].path
    groups = {group: choice for file in files for group, choice in file.choices.items()}
    chosen, settings = parse_overrides(overrides, groups, overrides_folder)
    is_run = files[-1].resolved_groups is not None
    local_files = select_files(files, local)
    if is_run:
        check_reach(groups, chosen, settings)
    groups.update(chosen)
    data, origins = compose(files, groups, swapped=chosen)
    data.setdefault("name", path.stem)
    data.setdefault("output", MethodConfig.output)  # resolved like one that is given
    required = [] if is_run else [key for key, value in leaves(data).items() if value == MISSING]
    if is_run:
        restore_references(data)
    apply_settings(data, origins, settings)
    for key in required:
        if key in (stand_ins or {}) and data.get(key) == MISSING:
            data[key] = Verbatim((stand_ins or {})[key])
    _check_given(data, required, [setting.key for setting in settings], display_path(path), origins)
    data["groups"] = groups
    refuse_key(data, origins)
    data["plugins"] = [str(file.path) for file in local_files]
    resolved = resolve_references(data, origins)
    with declared(local_files, local):
        method = check(MethodConfig, resolved, "", lambda key: locate(origins, key))
    return ResolvedConfig(method, origins, groups, display_path(path), local_files)


def _files(name_or_path: str, folder: str) -> list[MethodFile]:
    """The file of a method, last, and those that it extends."""
    foreign = read_foreign(name_or_path)
    if foreign is not None:
        return read_files(foreign[0], folder, foreign_keys(*foreign))
    try:
        path = paths.find_config(name_or_path, folder, "method" if folder == "methods" else "config")
    except ValueError as problem:
        raise ConfigError(f"{name_or_path}: {problem}") from None
    return read_files(path, folder)


def _check_given(
    data: Mapping[str, Any], required: Sequence[str], keys: Sequence[str], file: str, origins: Origins
) -> None:
    """Raise ConfigError for a required value that nothing gives."""
    values = leaves(data)
    for key in required:
        value = values.get(key, "")
        missing = (value == MISSING and not isinstance(value, Verbatim)) or not str(value or "").strip()
        if not missing or (key not in REQUIRABLE and key not in values):
            continue
        unknown = [word for word in keys if word.partition(".")[0] not in KEYS]
        unknown_key = f" ({unknown[0]!r} is no key of a method)" if unknown else ""
        origin = locate(origins, key)
        line = origin.line if origin and key not in REQUIRABLE else None
        source = (origin.file if origin and line else "") or file
        hint = f'give it on the command line as {key}="..."{unknown_key}'
        raise ConfigError("missing value", key=key, file=source, line=line, hint=hint)


def _escape(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _escape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_escape(item) for item in value]
    return escape(value) if isinstance(value, str) else value
