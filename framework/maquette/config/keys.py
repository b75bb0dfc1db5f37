"""The keys of a method: each with its option, its value and the values that it may have.

A key of a method leads through the parts that the method names: `stages.nerf.guidance.sds.prior.path` is the option
`path` of the prior that the file gives there. Nothing is built, and no picture or data has to be there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from maquette import registry
from maquette.config import paths
from maquette.config.composing import Composition, compose_method
from maquette.config.descriptions import Option, describe_config, describe_part
from maquette.config.origins import dump_flow, error_at, leaves, locate, top_level_text
from maquette.config.schema import MethodConfig
from maquette.errors import did_you_mean

WORDS = {
    "prompt": '"a red mug"', "image": "mug.png", "video": "clip.mp4",
    "data": "photographs", "dataset": "meshes", "prior": "FOLDER",
}  # fmt: skip
"""Keys that a method may require -> what an example gives them on the command line."""


@dataclass(frozen=True)
class Key:
    """One key of a method.

    Args:
        key: dotted.
        option: its type, default and documentation; None: a name under a key that holds several.
        value: plain data, or None if the files do not have it.
        kind: of the part that stands here; "": none does.
        part: name of that part.
        options: of what stands here.
    """

    key: str
    option: Option | None
    value: Any
    kind: str = ""
    part: str = ""
    options: tuple[Option, ...] = ()


def describe_method(name: str) -> dict[str, Any]:
    """What a method is: what it needs, its choices, its stages with their parts, its keys."""
    method = compose_method(name)
    stages = {stage: _stage_words(settings) for stage, settings in (method.data.get("stages") or {}).items()}
    return {
        "kind": "method", "name": name, "summary": top_level_text(method.path, "summary"),
        "doc": _head(method.path),
        "command": " ".join(["maquette run", name, *(f"{key}={WORDS.get(key, '...')}" for key in method.required)]),
        "choices": {group: _choices(group, choice) for group, choice in method.groups.items()},
        "stages": stages,
        "options": [option for option in describe_config(MethodConfig) if option.name not in ("stages", "groups")],
    }  # fmt: skip


def _choices(group: str, choice: str) -> str:
    available = paths.available(paths.group_folder(group))
    return f"{choice} (of {', '.join(available)})" if available else choice


def _head(path: Path) -> str:
    """The comment at the top of a file."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        if "yaml-language-server" not in line:
            lines.append(line.lstrip("#").removeprefix(" ").rstrip())
    return "\n".join(lines)


def _stage_words(settings: Any) -> str:
    """Type and parts of a stage, in one line."""
    if not isinstance(settings, Mapping):
        return str(settings)
    words = [str(settings.get("type", "?"))]
    for key, value in settings.items():
        if key in registry.KINDS and value:
            words.append(f"{key} {_type_of(value)}")
        elif key in ("losses", "exporters") and isinstance(value, Mapping):
            words.append(f"{key} {', '.join(value)}")
        elif key == "guidance" and isinstance(value, Mapping):
            words += [f"guidance {name}: {_guidance_words(item)}" for name, item in value.items()]
    return "; ".join(words)


def _guidance_words(settings: Any) -> str:
    parts = settings if isinstance(settings, Mapping) else {}
    return ", ".join(f"{key} {_type_of(parts[key])}" for key in ("prior", "score", "objective") if key in parts)


def _type_of(value: Any) -> str:
    return str(value.get("type", "?")) if isinstance(value, Mapping) else str(value)


def describe_key(name: str, key: str) -> dict[str, Any]:
    """One key of a method: its value and origin, what it means, and the options below it.

    Raises:
        ConfigError: the method has no such key; names the nearest.
    """
    method = compose_method(name)
    here = find_key(method, key)
    origin = locate(method.origins, key)
    option = here.option
    part = describe_part(here.kind, here.part) if here.kind else None
    words = f"{option.doc}; {option.type}".removeprefix("; ") if option else ""
    words += f", {option.range}" if option and option.range else ""
    default = option is not None and here.value is None
    several = option is not None and option.several and not here.kind
    value = option.default if option is not None and default else here.value
    return {
        "kind": "key", "name": key, "method": name,
        "summary": f"{here.kind}/{here.part}: {part.summary}" if part else words,
        "doc": words if part else "",
        "value": value if not isinstance(value, Mapping) else None,
        "from": "default" if default else (origin.text if origin else ""),
        "below": {child.key: _below_words(child) for child in children(here)} if several else {},
        "set": leaves(value) if isinstance(value, Mapping) and not several else {},
        "options": list(here.options),
    }  # fmt: skip


def _below_words(here: Key) -> str:
    """What stands at one name below a key that holds several."""
    if here.kind:
        return f"{here.kind}/{here.part}"
    if here.options:
        return ", ".join(f"{child.kind}/{child.part}" for child in children(here) if child.kind) or "mapping"
    return dump_flow(here.value)


def find_key(method: Composition, key: str) -> Key:
    """The key of a method.

    Raises:
        ConfigError: there is none; names the nearest.
    """
    here = Key("", None, method.data, options=describe_config(MethodConfig))
    for word in key.split("."):
        below = {child.key.rpartition(".")[2]: child for child in children(here)}
        if word not in below:
            hint = did_you_mean(word, below)
            names = f"known here: {', '.join(below)}" if below else "it has no keys below it"
            place = f"{here.key}.{word}".lstrip(".")
            raise error_at("this method has no such key", place, method.origins, f"{hint}{names}")
        here = below[word]
    return here


def children(here: Key) -> Iterator[Key]:
    """The keys one step below a key."""
    option, value = here.option, here.value
    if option is not None and option.several and not here.kind:
        items = option.default if value is None else value
        named = items.items() if isinstance(items, Mapping) else enumerate(items or ())
        one = replace(option, expected=Any, default=None)
        yield from (_standing(f"{here.key}.{name}", one, item, str(name)) for name, item in named)
        return
    settings = value if isinstance(value, Mapping) else {}
    for inner in here.options:
        yield _standing(f"{here.key}.{inner.name}".lstrip("."), inner, settings.get(inner.name))


def _standing(key: str, option: Option, value: Any, name: str = "") -> Key:
    """A key with what stands there: a part, a mapping of options, several of either, or a value."""
    if option.several:
        return Key(key, option, value)
    kind = option.part or (key if key in registry.KINDS else "")  # of a method's own `prior`
    if kind:
        settings = option.default if value is None else value
        of_default = option.default.get("type", name) if isinstance(option.default, Mapping) else name
        part = str(settings.get("type", of_default)) if isinstance(settings, Mapping) else str(settings or "")
        if part in registry.names(kind):
            return Key(key, option, value, kind, part, describe_part(kind, part).options)
        return Key(key, option, value)
    return Key(key, option, value, options=option.options)


def all_keys(method: Composition) -> Iterator[Key]:
    """Every key that an override can set."""

    def below(here: Key) -> Iterator[Key]:
        for child in children(here):
            yield child
            yield from below(child)

    yield from below(Key("", None, method.data, options=describe_config(MethodConfig)))


def legal_values(here: Key) -> list[str]:
    """Values of a key that can be listed: names of parts, choices, true and false."""
    option = here.option
    if option is None or option.several or here.kind == "stage":
        return []
    parts = registry.names(option.part) if option.part else []
    truths = ["true", "false"] if option.type == "true or false" else []
    return [*parts, *truths, *(choice for choice in option.choices if choice)]
