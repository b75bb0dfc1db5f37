"""Generates docs/fit.md, the tables of compatible parts, from the parts' capabilities and the rules of assembly.

`python -m maquette.stages.fit_page docs/fit.md` writes it. A test compares the file with the generated text.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from maquette import registry
from maquette.config.capabilities import DATA, GEOMETRY, REFERENCE, RENDERING, TARGET, Capabilities, listed, within
from maquette.config.parts import PartSpec
from maquette.losses.base import Comparison, Loss
from maquette.stages.assembly import GUIDANCE_RULES, STAGE_RULES, GuidanceParts, Refusal, first_refusal, with_defaults
from maquette.stages.sampling_rules import SAMPLE_RULES, SampleParts

SETTINGS: dict[str, dict[str, Any]] = {
    "controlnet": {"path": "org/model", "controlnet": "org/control", "control": "depth"},
    "gaussian": {"means": {}},
    "zero123plus": {"path": "org/model", "layout": "v1.2"},
}
"""Settings of parts that need more than a path."""

HEAD = """# What fits what

Made by `python -m maquette.stages.fit_page docs/fit.md` from what each part says it needs and gives, with default
settings; a reason that names a setting does not hold with that setting. A method with incompatible parts is refused
with the same message when it is loaded.
"""


def fit_page() -> str:
    """The whole page in Markdown, for the parts of the framework."""
    sections = [
        HEAD,
        "## Priors, scores and objectives\n",
        *_guidance(),
        *_sampling(),
        *_geometry(),
        *_losses(),
        *_rules(),
    ]
    return "\n".join(sections).rstrip() + "\n"


def priors() -> list[PartSpec]:
    """Every prior, with settings that suffice for its capabilities; no weights are loaded."""
    return parts_of("prior")


def refusals(prior: PartSpec) -> dict[tuple[str, str], Refusal | None]:
    """(objective, score) -> why this prior is incompatible with them; None: it is compatible."""
    return {
        (objective.name, score.name): first_refusal(GUIDANCE_RULES, GuidanceParts(prior, score, objective))
        for objective in parts_of("objective")
        for score in parts_of("score")
    }


def _guidance() -> Iterable[str]:
    """One table for each group of priors with equal cells."""
    alike: dict[tuple[tuple[str, str, str], ...], list[str]] = {}
    for prior in priors():
        cells = tuple((*pair, _reason(why, prior.name, *pair)) for pair, why in refusals(prior).items())
        alike.setdefault(cells, []).append(prior.name)
    for cells, names in alike.items():
        table = {(objective, score): reason for objective, score, reason in cells}
        reasons = list(dict.fromkeys(reason for reason in table.values() if reason))
        scores = list(dict.fromkeys(score for _, score in table))
        rows = [
            [objective, *(_mark(table[objective, score], reasons) for score in scores)]
            for objective in dict.fromkeys(objective for objective, _ in table)
        ]
        yield f"### {', '.join(names)}\n"
        yield _table(["objective \\ score", *scores], rows)
        yield from (f"{number}. {reason}" for number, reason in enumerate(reasons, 1))
        yield ""


def _sampling() -> Iterable[str]:
    """Which scores each prior is sampled with, by a stage that has a reference image and the prior's cameras."""
    yield "## Sampling\n"
    data = PartSpec("data", "image", _Picture, None)
    rows, reasons, scores = [], list[str](), parts_of("score")
    for prior in priors():
        cells = []
        for score in scores:
            parts = SampleParts(prior, score, prior.capabilities.views_per_object, data)
            reason = _reason(first_refusal(SAMPLE_RULES, parts), prior.name, "", score.name)
            if reason and reason not in reasons:
                reasons.append(reason)
            cells.append(_mark(reason, reasons))
        needs = "a picture" if REFERENCE in prior.capabilities.needs else ""
        rows.append([prior.name, needs, *cells])
    yield _table(["prior", "needs", *(score.name for score in scores)], rows)
    yield from (f"{number}. {reason}" for number, reason in enumerate(reasons, 1))
    yield ""


class _Picture:
    """Data of a picture, which is not read."""

    @classmethod
    def capabilities(cls, config: None) -> Capabilities:
        return Capabilities().giving(DATA, REFERENCE)


def _reason(refusal: Refusal | None, prior: str, objective: str, score: str) -> str:
    """The text of a refusal, with the names of the parts replaced by their kinds."""
    if refusal is None:
        return ""
    text = "; ".join(filter(None, (refusal.message, refusal.remedy)))
    for kind, name in (("prior", prior), ("objective", objective), ("score", score)):
        text = text.replace(f"{kind} {name!r}", f"the {kind}")
    return text


def _mark(reason: str, reasons: Sequence[str]) -> str:
    return str(reasons.index(reason) + 1) if reason else "yes"


def _geometry() -> Iterable[str]:
    yield "## Geometry and renderers\n"
    rows, renderers = [], parts_of("renderer")
    for geometry in parts_of("geometry"):
        gives = geometry.capabilities.gives
        fitting = [spec.name for spec in renderers if within(GEOMETRY, spec.capabilities.needs) <= gives]
        entries = listed(within(GEOMETRY, gives) - {f"{GEOMETRY}:{geometry.cls.form}"})
        rows.append([geometry.name, geometry.cls.form, ", ".join(fitting), entries])
    yield _table(["geometry", "form", "renderers", "losses may ask for"], rows)
    yield "`patch` takes and gives what its `base` does.\n"


def _losses() -> Iterable[str]:
    yield "## Losses\n"
    rows = []
    for loss in parts_of("loss"):
        needs = loss.capabilities.needs
        rows.append(
            [loss.name, _base_class(loss), *(listed(within(space, needs)) for space in (RENDERING, GEOMETRY, TARGET))]
        )
        rows[-1].append(", ".join(sorted(needs & {DATA, REFERENCE})))
    yield _table(["loss", "kind", "of the rendering", "of the geometry", "of the target", "of the stage"], rows)
    rows = [[spec.name, listed(within(RENDERING, spec.capabilities.gives))] for spec in parts_of("renderer")]
    yield _table(["renderer", "gives"], rows)


def _base_class(loss: PartSpec) -> str:
    if issubclass(loss.cls, Comparison):
        return "comparison"
    return "loss" if issubclass(loss.cls, Loss) else "probe"


def _rules() -> Iterable[str]:
    yield "## The rules\n"
    yield "In this order; the first broken rule is reported.\n"
    rules: list[Callable[..., Any]] = [*GUIDANCE_RULES, *SAMPLE_RULES, *STAGE_RULES]
    yield from (f"- {(rule.__doc__ or '').strip()}" for rule in rules)


def _built_in(kind: str) -> list[str]:
    return [name for name in registry.names(kind) if registry.source(kind, name) == "maquette"]


def parts_of(kind: str) -> list[PartSpec]:
    """Every built-in part of a kind, with default settings, those of SETTINGS, or a path where it only needs one."""
    specs = []
    for name in _built_in(kind):
        spec = with_defaults(kind, name)
        if spec is None:
            config = registry.get(kind, name).Config
            required = {f.name for f in fields(config) if f.default is MISSING and f.default_factory is MISSING}
            settings = SETTINGS.get(name, {"path": "org/model"})
            if not required <= settings.keys():
                continue
            spec = PartSpec(kind, name, registry.get(kind, name), config(**settings))
        specs.append(spec)
    return specs


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(fit_page(), encoding="utf-8")
