"""Which parts go together: every rule of fit, in the order in which they are judged.

A rule looks at capabilities alone, builds nothing, and says what is wrong and what would be right. `fit_page` prints
the first lines of their docstrings, and what they make of all parts, as docs/fit.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from maquette import registry
from maquette.config.capabilities import (
    ANY_CAMERA,
    CONDITION,
    COPY,
    DATA,
    GEOMETRY,
    NOISE_PREDICTION,
    ONE_NOISE_LEVEL,
    PICTURE,
    REFERENCE,
    RENDERED_LATENTS,
    RENDERED_NORMAL,
    RENDERING,
    SOURCE_PICTURE,
    TARGET,
    Capabilities,
    bare,
    listed,
    within,
)
from maquette.config.parts import PartSpec, SettingError
from maquette.data.base import Target
from maquette.errors import ConfigError

PICTURE_REMEDY = "give it data: {type: image, path: PICTURE.png}"


@dataclass(frozen=True)
class Refusal:
    """Why parts do not go together.

    Args:
        message: what is wrong.
        remedy: what would be right; "{key}" stands for the whole key.
        key: of the setting at fault, from the config that is judged on; "": that config.
    """

    message: str
    remedy: str = ""
    key: str = ""


@dataclass(frozen=True)
class GuidanceParts:
    """objective(score(prior)), and what of a rendering it sees."""

    prior: PartSpec
    score: PartSpec
    objective: PartSpec
    sees: str = "rgb"

    @property
    def looks_at(self) -> frozenset[str]:
        """Entries of a rendering that it needs."""
        seen = () if self.sees == "rgb" else (RENDERED_NORMAL,)
        return within(RENDERING, self.prior.capabilities.needs).union(seen)


@dataclass(frozen=True)
class StageParts:
    """The parts of an optimise stage."""

    geometry: PartSpec
    material: PartSpec
    background: PartSpec
    renderer: PartSpec
    cameras: PartSpec | None
    data: PartSpec | None
    guidance: Mapping[str, GuidanceParts]
    losses: Mapping[str, PartSpec]


def refuse_guidance(parts: GuidanceParts) -> None:
    """Raise ValueError for the first rule that a guidance breaks."""
    _refuse(broken(GUIDANCE_RULES, parts))


def refuse_stage(parts: StageParts) -> None:
    """Raise ValueError, or SettingError where one setting is at fault, for the first rule that a stage breaks."""
    _refuse(broken(STAGE_RULES, parts))


def refuse_pictures(losses: Mapping[str, PartSpec], data: PartSpec, target: Target, key: str) -> None:
    """Refuse losses that compare with what the data's pictures, once read, turn out not to have.

    Args:
        losses: of the stage.
        data: of the stage.
        target: some of the data's pictures.
        key: of the stage's losses.

    Raises:
        ConfigError: naming the loss and the remedies.
    """
    for name, loss in losses.items():
        wanted = within(TARGET, loss.capabilities.needs)
        lacking = [entry for entry in wanted if getattr(target, min(bare([entry]))) is None]
        if lacking:
            refusal = _come_without(name, lacking, data.capabilities)
            place = f"{key}.{name}"
            raise ConfigError(refusal.message, key=place, hint=refusal.remedy.replace("{key}", place))


Parts = TypeVar("Parts")


def broken(rules: Iterable[Callable[[Parts], Refusal | None]], parts: Parts) -> Refusal | None:
    """What the first broken rule says; None where all hold."""
    return next((refusal for rule in rules if (refusal := rule(parts)) is not None), None)


def _refuse(refusal: Refusal | None) -> None:
    if refusal is None:
        return
    if refusal.key:
        raise SettingError(refusal.message, refusal.key, refusal.remedy)
    raise ValueError(f"{refusal.message}; {refusal.remedy}" if refusal.remedy else refusal.message)


# Guidance


def score_has_its_conditions(parts: GuidanceParts) -> Refusal | None:
    """A prior gives the conditions that the score needs."""
    return _conditions(parts.score, parts.prior)


def objective_has_its_conditions(parts: GuidanceParts) -> Refusal | None:
    """A prior gives the conditions that the objective needs beside the score's."""
    return _conditions(parts.objective, parts.prior)


def score_predicts_noise(parts: GuidanceParts) -> Refusal | None:
    """An objective that denoises, or subtracts a prediction of its own, takes a score that predicts noise."""
    objective, score = parts.objective, parts.score
    if NOISE_PREDICTION not in objective.capabilities.needs - score.capabilities.gives:
        return None
    return Refusal(
        f"objective {objective.name!r} takes a noise prediction, but score {score.name!r} gives a direction",
        f"scores that predict noise: {_fitting('score', lambda c: NOISE_PREDICTION in c.gives)}",
    )


def prior_makes_the_copy(parts: GuidanceParts) -> Refusal | None:
    """A prior makes the kind of trainable copy that the objective trains."""
    gives = parts.prior.capabilities.gives
    lacking = within(COPY, parts.objective.capabilities.needs) - gives
    if not lacking:
        return None
    made = listed(within(COPY, gives))
    return Refusal(
        f"objective {parts.objective.name!r} trains a copy of kind {listed(lacking)!r}, which prior "
        f"{parts.prior.name!r} does not make; it makes {made or 'none'}",
        "set objective.copy" if made else "",
    )


def inner_parts_fit(parts: GuidanceParts) -> Refusal | None:
    """A prior or score within an objective gives what it is there for, and does not go by the rendering."""
    for key, wanted in parts.objective.capabilities.inner.items():
        part: PartSpec = getattr(parts.objective.config, key)
        where = f"objective {parts.objective.name!r}: {key} needs"
        lacking = wanted - part.capabilities.gives - set(part.capabilities.remedies)
        if lacking:
            return Refusal(f"{where} {_described(lacking)}, which {part.kind} {part.name!r} does not give")
        if within(RENDERING, part.capabilities.needs):
            return Refusal(
                f"{where} a {part.kind} that does not go by the rendering, as {part.name!r} does: "
                "only the guidance's own prior is shown it"
            )
    return None


def latents_are_no_pictures(parts: GuidanceParts) -> Refusal | None:
    """An objective that compares pictures is shown no latents, such as `sees: normal-mask` makes."""
    if parts.sees != "normal-mask" or PICTURE not in parts.objective.capabilities.needs:
        return None
    return _compares_pictures(parts.objective, "sees: normal-mask makes latents")


def known_pictures_are_seen_as_they_are(parts: GuidanceParts) -> Refusal | None:
    """An objective that looks at known pictures sees colors, not normals."""
    if parts.sees == "rgb" or DATA not in parts.objective.capabilities.needs:
        return None
    return Refusal(f"objective {parts.objective.name!r} looks at known pictures, which have no {parts.sees!r}")


def prior_knows_the_cameras(parts: GuidanceParts) -> Refusal | None:
    """An objective that looks from the data's cameras takes a prior that knows views from anywhere."""
    if ANY_CAMERA not in parts.objective.capabilities.needs - parts.prior.capabilities.gives:
        return None
    return Refusal(
        f"prior {parts.prior.name!r} knows views from cameras of its own alone, and objective "
        f"{parts.objective.name!r} looks from those of the data"
    )


def views_share_a_level(parts: GuidanceParts) -> Refusal | None:
    """A prior of several views is shown them all at one noise level."""
    objective = parts.objective.capabilities
    if parts.prior.capabilities.views_per_object == 1 or ONE_NOISE_LEVEL in objective.gives:
        return None
    return Refusal(
        f"prior {parts.prior.name!r} sees all views of an object at one noise level, and objective "
        f"{parts.objective.name!r} draws one for each",
        objective.remedies.get(ONE_NOISE_LEVEL, ""),
    )


def editor_is_told_the_picture(parts: GuidanceParts) -> Refusal | None:
    """A prior that changes pictures takes an objective that tells it which."""
    if SOURCE_PICTURE not in parts.prior.capabilities.needs - parts.objective.capabilities.gives:
        return None
    return Refusal(
        f"prior {parts.prior.name!r} changes pictures, and objective {parts.objective.name!r} does not tell it which",
        f"objectives that do: {_fitting('objective', lambda c: SOURCE_PICTURE in c.gives)}",
    )


GUIDANCE_RULES: tuple[Callable[[GuidanceParts], Refusal | None], ...] = (
    score_has_its_conditions,
    objective_has_its_conditions,
    score_predicts_noise,
    prior_makes_the_copy,
    inner_parts_fit,
    latents_are_no_pictures,
    known_pictures_are_seen_as_they_are,
    prior_knows_the_cameras,
    views_share_a_level,
    editor_is_told_the_picture,
)


# Stages


def views_come_from_somewhere(parts: StageParts) -> Refusal | None:
    """A stage has cameras, unless all its guidance looks at known views."""
    orbiting = any(DATA not in guidance.objective.capabilities.needs for guidance in parts.guidance.values())
    if parts.cameras is not None or not (orbiting or parts.data is None):
        return None
    return Refusal("missing value: cameras, from where the object is looked at")


def renderer_takes_the_geometry(parts: StageParts) -> Refusal | None:
    """A renderer takes the form of the geometry."""
    needs, gives = parts.renderer.capabilities.needs, parts.geometry.capabilities.gives
    if not within(GEOMETRY, needs) - gives:
        return None
    form = parts.geometry.cls.form
    return Refusal(
        f"renderer {parts.renderer.name!r} takes a {listed(needs)}, but geometry {parts.geometry.name!r} is a {form}",
        f"renderers that fit: {_fitting('renderer', lambda c: within(GEOMETRY, c.needs) <= gives)}",
    )


def geometry_has_the_features(parts: StageParts) -> Refusal | None:
    """A geometry has as many feature channels as the material reads."""
    reads, has = parts.material.capabilities.feature_channels, parts.geometry.capabilities.feature_channels
    if has >= reads:
        return None
    return Refusal(
        f"material {parts.material.name!r} reads {reads} channels, but geometry {parts.geometry.name!r} has {has}",
        "set geometry.channels",
    )


def renderer_draws_the_material(parts: StageParts) -> Refusal | None:
    """A renderer draws what the material needs drawn: latents, or normals to be lit by."""
    needs = parts.material.capabilities.needs
    lacking = needs - parts.renderer.capabilities.gives
    if not lacking:
        return None
    verb = "draws" if lacking == {RENDERED_LATENTS} else "needs"
    return Refusal(
        f"material {parts.material.name!r} {verb} {listed(lacking)}, which renderer {parts.renderer.name!r} does not",
        f"renderers that do: {_fitting('renderer', lambda c: needs <= c.gives)}",
    )


def background_matches_the_material(parts: StageParts) -> Refusal | None:
    """A background draws as many latent channels as the material, or color like it."""
    drawn, behind = parts.material.capabilities.latent_channels, parts.background.capabilities.latent_channels
    if drawn == behind:
        return None
    front, back = (f"{count} latent channels" if count else "colour" for count in (drawn, behind))
    return Refusal(
        f"material {parts.material.name!r} draws {front}, but background {parts.background.name!r} draws {back}",
        f"a background that fits: {{type: textured, channels: {drawn or 3}}}",
    )


def pictures_are_drawn_for_guidance(parts: StageParts) -> Refusal | None:
    """A material draws no latents for an objective that compares pictures."""
    for guidance in parts.guidance.values():
        needs_picture = guidance.sees == "rgb" and PICTURE in guidance.objective.capabilities.needs
        if needs_picture and parts.material.capabilities.latent_channels:
            return _compares_pictures(guidance.objective, f"material {parts.material.name!r} draws latents")
    return None


def guidance_is_shown_what_it_sees(parts: StageParts) -> Refusal | None:
    """A renderer gives what the guidance sees of a rendering."""
    for name, guidance in parts.guidance.items():
        if lacking := guidance.looks_at - parts.renderer.capabilities.gives:
            seen = listed(lacking).replace("normal", "normals")
            return Refusal(f"guidance {name!r} sees {seen}, which renderer {parts.renderer.name!r} does not give")
    return None


def guidance_has_its_data(parts: StageParts) -> Refusal | None:
    """A stage has data where an objective looks at known pictures, or a prior continues one."""
    for name, guidance in parts.guidance.items():
        if DATA in guidance.objective.capabilities.needs and parts.data is None:
            return Refusal(f"guidance {name!r} looks at known pictures, but the stage has no 'data'")
        if REFERENCE in guidance.prior.capabilities.needs:
            what = f"guidance {name!r}: prior {guidance.prior.name!r} continues a picture"
            if refusal := _reference(what, parts.data):
                return refusal
    return None


def loss_has_its_targets(parts: StageParts) -> Refusal | None:
    """A stage has the data that a loss compares with, or is about."""
    for name, loss in parts.losses.items():
        needs = loss.capabilities.needs
        if DATA in needs:
            if parts.data is None:
                return Refusal(f"loss {name!r} compares with known views, but the stage has no 'data'")
            if refusal := _targets(name, within(TARGET, needs), parts.data):
                return refusal
        about = _reference(f"loss {name!r} is about a picture of the object", parts.data)
        if REFERENCE in needs and about:
            return about
    return None


def loss_has_its_entries(parts: StageParts) -> Refusal | None:
    """A renderer and a geometry give what a loss reads of them."""
    gives = parts.renderer.capabilities.gives | parts.geometry.capabilities.gives
    for name, loss in parts.losses.items():
        needs = loss.capabilities.needs
        if lacking := (within(RENDERING, needs) | within(GEOMETRY, needs)) - gives:
            return Refusal(
                f"loss {name!r} needs {listed(lacking)}, which renderer {parts.renderer.name!r} with geometry "
                f"{parts.geometry.name!r} does not give"
            )
    return None


STAGE_RULES: tuple[Callable[[StageParts], Refusal | None], ...] = (
    views_come_from_somewhere,
    renderer_takes_the_geometry,
    geometry_has_the_features,
    renderer_draws_the_material,
    background_matches_the_material,
    pictures_are_drawn_for_guidance,
    guidance_is_shown_what_it_sees,
    guidance_has_its_data,
    loss_has_its_targets,
    loss_has_its_entries,
)


def _conditions(part: PartSpec, prior: PartSpec) -> Refusal | None:
    given = prior.capabilities
    lacking = within(CONDITION, part.capabilities.needs) - given.gives
    if not lacking:
        return None
    message = f"{part.kind} {part.name!r} needs {listed(lacking)}, which prior {prior.name!r} does not give"
    remedies = {given.remedies.get(entry, "") for entry in lacking}
    if len(remedies) == 1 and (remedy := remedies.pop()):
        return Refusal(message, remedy)
    return Refusal(message, f"it gives {listed(within(CONDITION, given.gives))}")


def _compares_pictures(objective: PartSpec, but: str) -> Refusal:
    return Refusal(f"objective {objective.name!r} compares pictures, but {but}")


def _reference(what: str, data: PartSpec | None) -> Refusal | None:
    if data is None:
        return Refusal(f"{what}, but the stage has no 'data'", PICTURE_REMEDY)
    if REFERENCE in data.capabilities.gives:
        return None
    return Refusal(f"{what}, but data {data.name!r} gives none", data.capabilities.remedies.get(REFERENCE, ""))


def _targets(loss: str, wanted: frozenset[str], data: PartSpec) -> Refusal | None:
    lacking = wanted - data.capabilities.gives
    if not lacking:
        return None
    if lacking - set(data.capabilities.remedies):
        return Refusal(f"loss {loss!r} wants {listed(lacking)}, which data {data.name!r} does not give")
    return _come_without(loss, lacking, data.capabilities)


def _come_without(loss: str, lacking: Iterable[str], data: Capabilities) -> Refusal:
    remedy = f"{data.remedies.get(min(lacking), 'take other data')}, or leave the loss out: ~{{key}}"
    message = f"loss {loss!r} wants {listed(lacking)}, which the stage's pictures come without"
    return Refusal(message, remedy, f"losses.{loss}")


def _described(entries: frozenset[str]) -> str:
    """Entries of any namespace, for messages: "a noise prediction", "the condition 'viewless'"."""
    words = {CONDITION: "the condition {!r}", COPY: "a trainable copy of kind {!r}"}
    parts = [entry.partition(":") for entry in sorted(entries)]
    return " and ".join(words[space].format(name) if name else f"a {space}" for space, _, name in parts)


def _fitting(kind: str, fits: Callable[[Capabilities], bool]) -> str:
    """Names of the parts of a kind whose capabilities, with default settings, fit; for remedies."""
    specs = [with_defaults(kind, name) for name in registry.names(kind)]
    return ", ".join(spec.name for spec in specs if spec is not None and fits(spec.capabilities)) or "none"


def with_defaults(kind: str, name: str) -> PartSpec | None:
    """A part with its default settings; None where it has none for some."""
    cls = registry.get(kind, name)
    try:
        return PartSpec(kind, name, cls, cls.Config())
    except (TypeError, ValueError):
        return None
