"""Merging of one layer of a config over the layers below it; one rule for files and for the command line.

A mapping over a mapping is merged, key by key. It replaces the one below if both have a `type` and these differ; any
other value replaces what is below. A mapping without a `type` over a part given by name alone, or over a reference such
as `${prior}`, adds settings to that part. The key `~losses.opacity` takes out what stands there below. A new stage
stands where its `after: STAGE` or `before: STAGE` says, or else before the export stages at the end, if it is none
itself.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from maquette.config.origins import Origin, error_at
from maquette.errors import did_you_mean

Origins = dict[str, Origin]
REFINED = "${}"
"""Key of a mapping that refines a reference, which it holds: {REFINED: "${prior}", "size": 64}."""


def overlay(data: dict[str, Any], origins: Origins, top: dict[str, Any], top_origins: Mapping[str, Origin]) -> None:
    """Merge `top` over `data`, and its `top_origins` into `origins`.

    Raises:
        ConfigError: a key to take out is not there, or a stage is placed beside one that is not there.
    """
    stages = list(data["stages"]) if isinstance(data.get("stages"), dict) else []
    for replaced in merge(data, top, top_origins):
        for key in [key for key in origins if key.startswith(f"{replaced}.")]:
            del origins[key]
    origins.update(top_origins)
    if isinstance(data.get("stages"), dict) and isinstance(top.get("stages"), dict):
        data["stages"] = _in_order(data["stages"], stages, origins)


def merge(
    base: dict[str, Any], top: Mapping[str, Any], origins: Mapping[str, Origin] | None = None, prefix: str = ""
) -> list[str]:
    """Merge `top` over `base`; returns the dotted keys that were replaced rather than merged.

    Args:
        base: changed in place.
        top: left as it is.
        origins: of the keys of `top`, for messages.
        prefix: dotted key of both, with a dot at the end.
    """
    replaced: list[str] = []
    for name, value in top.items():
        if name.startswith("~"):
            _remove(base, name, value, f"{prefix}{name}", origins or {})
            replaced.append(f"{prefix}{name[1:]}")
            continue
        below = base.get(name)
        if isinstance(value, dict) and "type" not in value:
            if is_reference(below):
                below = base[name] = {REFINED: below}
            elif is_name(below):
                below = base[name] = {"type": below}
        if (
            isinstance(below, dict)
            and isinstance(value, dict)
            and ("type" not in value or below.get("type", value["type"]) == value["type"])
            and not (REFINED in below and "type" in value)
        ):
            replaced += merge(below, value, origins, f"{prefix}{name}.")
        else:
            base[name] = copy.deepcopy(value)
            replaced.append(f"{prefix}{name}")
    return replaced


def is_name(value: Any) -> bool:
    """Whether a value may be a part with default settings, written as its type alone."""
    return isinstance(value, str) and bool(value) and "${" not in value


def is_reference(value: Any) -> bool:
    """Whether a text is one reference, such as "${prior}"."""
    return isinstance(value, str) and value.startswith("${") and value.find("}") == len(value) - 1


def _remove(base: dict[str, Any], name: str, value: Any, key: str, origins: Mapping[str, Origin]) -> None:
    """Take out what stands at the dotted key `name`, less its tilde, of `base`."""
    if value is not None:
        raise error_at("a key to take out has no value", key, origins, f"write {name}: and no more")
    *parents, last = name[1:].split(".")
    node: Any = base
    for word in parents:
        node = node.get(word) if isinstance(node, dict) else None
    if isinstance(node, dict) and REFINED in node and last not in node:
        node[f"~{last}"] = None  # taken out of what the reference brings
        return
    if not isinstance(node, dict) or last not in node:
        keys = ", ".join(node) if isinstance(node, dict) else ""
        raise error_at("there is nothing to remove", key, origins, f"known here: {keys or 'nothing'}")
    del node[last]


def _in_order(stages: dict[str, Any], earlier: Sequence[str], origins: Mapping[str, Origin]) -> dict[str, Any]:
    """The stages, new and moved ones at their places.

    Args:
        stages: `after` and `before` are taken out of them.
        earlier: names of the stages of the layers below, in order.
    """
    order = [name for name in stages if name in earlier or not earlier]
    for name in [name for name in stages if name not in order]:
        exports = _exports_at_the_end(order, stages)
        order.insert(len(order) if _is_export(stages[name]) else exports, name)
    for name, stage in stages.items():
        if not isinstance(stage, dict):
            continue
        places = {word: stage.pop(word) for word in ("after", "before") if word in stage}
        for word, other in places.items():
            if other not in order or other == name or len(places) > 1:
                key = f"stages.{name}.{word}"
                others = [stage for stage in order if stage != name]
                raise error_at(
                    "give one of after and before" if len(places) > 1 else f"there is no other stage {other!r}",
                    key, origins, f"{did_you_mean(str(other), others)}known: {', '.join(others) or 'none'}",
                )  # fmt: skip
            order.remove(name)
            order.insert(order.index(other) + (word == "after"), name)
    return {name: stages[name] for name in order}


def _exports_at_the_end(order: Sequence[str], stages: Mapping[str, Any]) -> int:
    """Index of the first of the export stages at the end."""
    index = len(order)
    while index and _is_export(stages[order[index - 1]]):
        index -= 1
    return index


def _is_export(stage: Any) -> bool:
    return (stage.get("type") if isinstance(stage, dict) else stage) == "export"
