"""Computes which parts go together at their default settings, by the rules of assembly.

`python -m maquette.stages.fits` writes the table of all built-in parts, which `maquette.config.fits` reads. A test
compares the file with the computed table.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from maquette import registry
from maquette.config.capabilities import DATA, GEOMETRY, REFERENCE, RENDERING, TARGET, within
from maquette.config.fits import TABLE
from maquette.config.parts import PartSpec, part
from maquette.stages.assembly import (
    GUIDANCE_RULES,
    GuidanceParts,
    StageParts,
    background_matches_the_material,
    first_refusal,
    renderer_supports_the_material,
    renderer_takes_the_geometry,
)
from maquette.stages.fit_page import parts_of

Fits = dict[str, list[str]]
GUIDANCE = ("prior", "score", "objective")


def table() -> dict[str, dict[str, Fits]]:
    """Kind -> name -> kind of the others -> their names, for the built-in parts of kinds that rules are about."""
    return {kind: {spec.name: fits(spec) for spec in specs(kind)} for kind in registry.KINDS if _partners(kind)}


def fits(spec: PartSpec) -> Fits:
    """Kind -> names of the built-in parts that go together with a part; empty: it goes with all."""
    pairs = {kind: _names(kind, lambda other: _go_together(spec, other)) for kind in _partners(spec.kind)}
    return {kind: names for kind, names in pairs.items() if len(names) < len(specs(kind))}


@cache
def specs(kind: str) -> Sequence[PartSpec]:
    """The built-in parts of a kind, at settings that suffice for their capabilities."""
    if kind == "data":
        return [_unchecked(name) for name in registry.names("data") if registry.source("data", name) == "maquette"]
    if kind == "renderer":
        return [*parts_of(kind), part("renderer", "patch", base=part("renderer", "volume"))]
    return parts_of(kind)


def _unchecked(name: str) -> PartSpec:
    """Data of no file, whose existence its Config would check."""
    cls = registry.get("data", name)
    config = object.__new__(cls.Config)
    for field in dataclasses.fields(cls.Config):
        made = field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
        object.__setattr__(config, field.name, "picture.png" if made is dataclasses.MISSING else made)
    return PartSpec("data", name, cls, config)


def _partners(kind: str) -> Sequence[str]:
    groups = (
        GUIDANCE, ("geometry", "renderer"), ("renderer", "material"), ("material", "background"),
        ("loss", "renderer"), ("loss", "geometry"), ("loss", "data"), ("prior", "data"),
    )  # fmt: skip
    return [other for group in groups if kind in group for other in group if other != kind]


def _names(kind: str, fitting: Callable[[PartSpec], bool]) -> list[str]:
    return [spec.name for spec in specs(kind) if fitting(spec)]


def _go_together(one: PartSpec, other: PartSpec) -> bool:
    """Whether two parts go together with some choice of the others."""
    pair = {one.kind: one, other.kind: other}
    if pair.keys() <= set(GUIDANCE):
        return _guidance(pair)
    if "loss" in pair:
        return _loss(pair)
    if "data" in pair:
        return REFERENCE not in pair["prior"].capabilities.needs or REFERENCE in pair["data"].capabilities.gives
    parts = _stage(**pair)
    rules = {
        "geometry": renderer_takes_the_geometry, "renderer": renderer_supports_the_material,
        "background": background_matches_the_material,
    }  # fmt: skip
    return next(rule for kind, rule in rules.items() if kind in pair)(parts) is None


def _guidance(pair: dict[str, PartSpec]) -> bool:
    choices = {kind: [pair[kind]] if kind in pair else specs(kind) for kind in GUIDANCE}
    return any(
        _guides(GuidanceParts(prior, score, objective))
        for prior in choices["prior"]
        for score in choices["score"]
        for objective in choices["objective"]
    )


_judged: dict[tuple[str, str, str], bool] = {}


def _guides(parts: GuidanceParts) -> bool:
    """Whether prior, score and objective go together; remembered, as each pair of them asks for all triples."""
    key = (parts.prior.name, parts.score.name, parts.objective.name)
    if key not in _judged:
        _judged[key] = first_refusal(GUIDANCE_RULES, parts) is None
    return _judged[key]


def _loss(pair: dict[str, PartSpec]) -> bool:
    needs = pair["loss"].capabilities.needs
    if "data" in pair:
        data = pair["data"].capabilities
        given = data.gives | set(data.remedies)
        return (within(TARGET, needs) | (needs & {DATA, REFERENCE})) <= given
    entries = within(RENDERING, needs) | within(GEOMETRY, needs)
    return any(entries <= gives for names, gives in _renderings().items() if _names_of(pair) <= names)


def _names_of(pair: dict[str, PartSpec]) -> frozenset[tuple[str, str]]:
    return frozenset((kind, spec.name) for kind, spec in pair.items() if kind in ("renderer", "geometry"))


@cache
def _renderings() -> dict[frozenset[tuple[str, str]], frozenset[str]]:
    """Renderer and geometry that go together -> entries that they give to losses."""
    pairs = [
        {"renderer": renderer, "geometry": geometry} for renderer in specs("renderer") for geometry in specs("geometry")
    ]
    return {
        _names_of(pair): pair["renderer"].capabilities.gives | pair["geometry"].capabilities.gives
        for pair in pairs
        if renderer_takes_the_geometry(_stage(**pair)) is None
    }


def _stage(**parts: Any) -> StageParts:
    """An optimise stage of these parts, the others plain."""
    plain = {
        "geometry": "hash-grid", "material": "plain", "background": "solid", "renderer": "volume", "cameras": "fixed",
    }  # fmt: skip
    chosen = {kind: parts.get(kind) or _plain(kind, name) for kind, name in plain.items()}
    background, latents = chosen["background"], chosen["material"].capabilities.latent_channels
    if hasattr(background.config, "channels"):
        config = dataclasses.replace(background.config, channels=latents or background.config.channels)
        chosen["background"] = dataclasses.replace(background, config=config)
    return StageParts(**chosen, data=None, guidance={}, losses={})


@cache
def _plain(kind: str, name: str) -> PartSpec:
    return part(kind, name)


def write() -> None:
    """Write the table of the built-in parts."""
    TABLE.write_text(as_text(table()), encoding="utf-8")


def as_text(tables: dict[str, dict[str, Fits]]) -> str:
    """The table as JSON, one line for each part."""
    kinds = [
        f'"{kind}": {{\n' + ",\n".join(f" {json.dumps(name)}: {json.dumps(fit)}" for name, fit in parts.items()) + "\n}"
        for kind, parts in tables.items()
    ]
    return "{\n" + ",\n".join(kinds) + "\n}\n"


if __name__ == "__main__":
    write()
