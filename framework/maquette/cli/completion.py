"""Completion in a shell: methods, parts, dotted keys and their values. It imports no part.

Bash splits words at "=", so that it asks for the value of `prior=na` as the words "prior", "=" and "na"; of the last
word "=" click makes an empty one.
"""

from __future__ import annotations

from typing import Any


def methods(incomplete: str) -> list[str]:
    """Names of methods, and YAML files in the folder that is typed."""
    return [*_names("methods", incomplete), *_yaml_files(incomplete)]


def recipes(incomplete: str) -> list[str]:
    """Names of training recipes, and YAML files."""
    return [*_names("training", incomplete), *_yaml_files(incomplete)]


def suites(incomplete: str) -> list[str]:
    """Names of suites, and YAML files."""
    return [*_names("suites", incomplete), *_yaml_files(incomplete)]


def kinds(incomplete: str) -> list[str]:
    """What `maquette list` lists."""
    from maquette.registry import FOLDERS

    return [word for word in ("methods", "suites", "recipes", *FOLDERS) if word.startswith(incomplete)]


def references(incomplete: str) -> list[str]:
    """What `maquette describe` describes: kinds first, then the parts of a kind, and methods."""
    from maquette import plugins, registry

    kind, slash, _ = incomplete.partition("/")
    if slash and kind in registry.KINDS:
        plugins.load()
        return [f"{kind}/{name}" for name in registry.names(kind) if f"{kind}/{name}".startswith(incomplete)]
    candidates = [*(f"{kind}/" for kind in registry.KINDS), *_names("methods", incomplete)]
    matching = [word for word in candidates if word.startswith(incomplete)]
    return references(matching[0]) if len(matching) == 1 and matching[0].endswith("/") else matching


def keys(ctx: Any, incomplete: str) -> list[str]:
    """Dotted keys of the method that is typed, for `maquette describe METHOD KEY`."""
    available = _keys(ctx)
    return _step(available, incomplete, ends=("",))


def overrides(ctx: Any, incomplete: str) -> list[str]:
    """Words `key=value` and `~key` for the method that is typed."""
    available = _keys(ctx)
    before = list(ctx.params.get("overrides") or [])
    if not incomplete and before and before[-1] in available:
        return _values(available, before[-1], "")
    if before and before[-1] == "=" and len(before) > 1:
        return _values(available, before[-2], incomplete)
    key, equals, value = incomplete.partition("=")
    if equals:
        return [f"{key}={each}" for each in _values(available, key, value)]
    if incomplete.startswith("~"):
        return [f"~{key}" for key in _step(available, incomplete[1:], ends=("",))]
    words = _step(available, incomplete, ends=("=",))
    if len(words) == 1 and words[0].endswith("="):
        return [f"{words[0]}{value}" for value in _values(available, words[0][:-1], "")] or words
    return words


def _keys(ctx: Any) -> dict[str, list[str]]:
    from maquette.cli.key_cache import completion_keys

    method = next((ctx.params[name] for name in ("method", "reference", "recipe") if ctx.params.get(name)), "")
    return completion_keys(str(method).removeprefix("method/")) if method else {}


def _values(available: dict[str, list[str]], key: str, incomplete: str) -> list[str]:
    return [value for value in available.get(key, []) if value.startswith(incomplete)]


def _step(available: dict[str, list[str]], incomplete: str, ends: tuple[str, ...]) -> list[str]:
    """Keys one step further than what is typed, a dot behind those that have keys below; further where one is left."""
    stem = incomplete.rpartition(".")[0]
    prefix = f"{stem}." if stem else ""
    words: dict[str, None] = {}
    for key in available:
        if key.startswith(incomplete) and key.startswith(prefix):
            name, dot, _ = key.removeprefix(prefix).partition(".")
            words |= dict.fromkeys([f"{prefix}{name}."] if dot else [f"{prefix}{name}{end}" for end in ends])
    unset = {f"{word[:-1]}=" for word in words if word.endswith(".") and not available.get(word[:-1])}
    further = [word for word in words if word not in unset]  # what only holds other keys is not set itself
    if len(further) == 1 and further[0].endswith("."):
        return _step(available, further[0], ends)
    return further


def _names(folder: str, incomplete: str) -> list[str]:
    from maquette.cli.key_cache import config_names

    return [name for name in config_names(folder) if name.startswith(incomplete)]


def _yaml_files(incomplete: str) -> list[str]:
    from pathlib import Path

    folder = Path(incomplete if incomplete.endswith("/") else Path(incomplete).parent).expanduser()
    try:
        entries = sorted(folder.iterdir()) if folder.is_dir() else []
    except OSError:
        return []
    texts = [f"{entry}/" if entry.is_dir() else str(entry) for entry in entries if not entry.name.startswith(".")]
    texts = [f"./{text}" if incomplete.startswith("./") else text for text in texts]
    return [
        text for text in texts if text.startswith(incomplete) and text.endswith((".yaml", ".yml", "/")) and incomplete
    ]
