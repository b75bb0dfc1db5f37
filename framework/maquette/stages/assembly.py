"""Compatibility of parts: the rules that guidance and stages are checked against, in order.

A rule compares capabilities, builds nothing, and says what is wrong and what would be right. `fit_page` prints the
first lines of their docstrings, and their results for all parts, as docs/fit.md. The file is long because the rules
stand in one table, in the order in which they are tried.
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
from maquette.config.parts import PartSpec, SettingError, UnreadPartError, part
from maquette.data.base import Target
from maquette.errors import ConfigError, PluginError

PICTURE_REMEDY = "give it data: {type: image, path: PICTURE.png}"


@dataclass(frozen=True)
class Refusal:
    """Why parts are incompatible.

    Args:
        message: what is wrong.
        remedy: what would be right; "{key}" stands for the whole key.
        key: key of the wrong setting, relative to the config that is checked; "": that config.
    """

    message: str
    remedy: str = ""
    key: str = ""


@dataclass(frozen=True)
class GuidanceParts:
    """The parts of a guidance, objective(score(prior)), and its input, the image of a rendering to denoise."""

    prior: PartSpec
    score: PartSpec
    objective: PartSpec
    input: str = "rgb"

    @property
    def rendering_entries(self) -> frozenset[str]:
        """Entries of a rendering that the guidance needs."""
        normals = () if self.input == "rgb" else (RENDERED_NORMAL,)
        return within(RENDERING, self.prior.capabilities.needs).union(normals)


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


def check_guidance(parts: GuidanceParts) -> None:
    """Check a guidance against `GUIDANCE_RULES`. Raises ValueError for the first broken rule."""
    _refuse(first_refusal(GUIDANCE_RULES, parts))


def check_stage(parts: StageParts) -> None:
    """Check a stage against `STAGE_RULES`. Raises ValueError (or SettingError) for the first broken rule."""
    _refuse(first_refusal(STAGE_RULES, parts))


def check_targets(losses: Mapping[str, PartSpec], data: PartSpec, target: Target, key: str) -> None:
    """Check that the loaded data has the depth and normals that losses compare with.

    Args:
        losses: losses of the stage.
        data: data of the stage.
        target: some of the data's images.
        key: dotted key of the stage's losses.

    Raises:
        ConfigError: a loss needs an entry that the target lacks; names the loss and the remedies.
    """
    for name, loss in losses.items():
        needed = within(TARGET, loss.capabilities.needs)
        lacking = [entry for entry in needed if getattr(target, min(bare([entry]))) is None]
        if lacking:
            refusal = _come_without(name, lacking, data.capabilities)
            place = f"{key}.{name}"
            raise ConfigError(refusal.message, key=place, hint=refusal.remedy.replace("{key}", place))


Parts = TypeVar("Parts")


def first_refusal(rules: Iterable[Callable[[Parts], Refusal | None]], parts: Parts) -> Refusal | None:
    """The refusal of the first broken rule; None: all hold."""
    return next((refusal for rule in rules if (refusal := _judged(rule, parts)) is not None), None)


def _judged(rule: Callable[[Parts], Refusal | None], parts: Parts) -> Refusal | None:
    """The refusal of a rule; a rule about a local part that is not imported is left to the run."""
    try:
        return rule(parts)
    except UnreadPartError:
        return None


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
    """A prior gives the conditions that the objective needs in addition to the score's."""
    return _conditions(parts.objective, parts.prior)


def score_predicts_noise(parts: GuidanceParts) -> Refusal | None:
    """An objective that denoises, or subtracts another prediction, needs a score that predicts noise."""
    objective, score = parts.objective, parts.score
    if NOISE_PREDICTION not in objective.capabilities.needs - score.capabilities.gives:
        return None
    return Refusal(
        f"objective {objective.name!r} takes a noise prediction, but score {score.name!r} gives a direction",
        f"scores that predict noise: {_fitting('score', lambda c: NOISE_PREDICTION in c.gives)}",
    )


def prior_has_the_trainable_copy(parts: GuidanceParts) -> Refusal | None:
    """A prior has the kind of trainable copy that the objective trains."""
    gives = parts.prior.capabilities.gives
    lacking = within(COPY, parts.objective.capabilities.needs) - gives
    if not lacking:
        return None
    copies = listed(within(COPY, gives))
    return Refusal(
        f"objective {parts.objective.name!r} trains a copy of kind {listed(lacking)!r}, which prior "
        f"{parts.prior.name!r} does not make; it makes {copies or 'none'}",
        "set objective.copy" if copies else "",
    )


def inner_parts_fit(parts: GuidanceParts) -> Refusal | None:
    """A prior or score inside an objective gives what the objective needs, and needs no entries of the rendering."""
    for key, needed in parts.objective.capabilities.inner.items():
        part: PartSpec = getattr(parts.objective.config, key)
        where = f"objective {parts.objective.name!r}: {key} needs"
        lacking = needed - part.capabilities.gives - set(part.capabilities.remedies)
        if lacking:
            return Refusal(f"{where} {_described(lacking)}, which {part.kind} {part.name!r} does not give")
        if within(RENDERING, part.capabilities.needs):
            return Refusal(
                f"{where} a {part.kind} that does not go by the rendering, as {part.name!r} does: "
                "only the guidance's own prior can use it"
            )
    return None


def image_objectives_take_no_latents(parts: GuidanceParts) -> Refusal | None:
    """An objective that compares images takes no latents, such as those of `input: normal-mask`."""
    if parts.input != "normal-mask" or PICTURE not in parts.objective.capabilities.needs:
        return None
    return _compares_pictures(parts.objective, "input: normal-mask gives latents")


def data_objectives_take_rgb(parts: GuidanceParts) -> Refusal | None:
    """An objective that needs data takes `input: rgb`, not normals."""
    if parts.input == "rgb" or DATA not in parts.objective.capabilities.needs:
        return None
    return Refusal(f"objective {parts.objective.name!r} uses the data's pictures, which have no {parts.input!r}")


def prior_accepts_any_camera(parts: GuidanceParts) -> Refusal | None:
    """An objective that uses the data's cameras needs a prior that accepts any camera."""
    if ANY_CAMERA not in parts.objective.capabilities.needs - parts.prior.capabilities.gives:
        return None
    return Refusal(
        f"prior {parts.prior.name!r} accepts only its own cameras, and objective "
        f"{parts.objective.name!r} uses those of the data"
    )


def views_of_an_object_have_one_noise_level(parts: GuidanceParts) -> Refusal | None:
    """A multi-view prior needs an objective with one noise level for all views of an object."""
    objective = parts.objective.capabilities
    if parts.prior.capabilities.views_per_object == 1 or ONE_NOISE_LEVEL in objective.gives:
        return None
    return Refusal(
        f"prior {parts.prior.name!r} denoises all views of an object at one noise level, and objective "
        f"{parts.objective.name!r} samples one for each",
        objective.remedies.get(ONE_NOISE_LEVEL, ""),
    )


def editing_prior_has_its_source_image(parts: GuidanceParts) -> Refusal | None:
    """A prior that edits an image needs an objective that gives it the source image."""
    if SOURCE_PICTURE not in parts.prior.capabilities.needs - parts.objective.capabilities.gives:
        return None
    return Refusal(
        f"prior {parts.prior.name!r} edits a picture, and objective {parts.objective.name!r} does not give it one",
        f"objectives that do: {_fitting('objective', lambda c: SOURCE_PICTURE in c.gives)}",
    )


GUIDANCE_RULES: tuple[Callable[[GuidanceParts], Refusal | None], ...] = (
    score_has_its_conditions,
    objective_has_its_conditions,
    score_predicts_noise,
    prior_has_the_trainable_copy,
    inner_parts_fit,
    image_objectives_take_no_latents,
    data_objectives_take_rgb,
    prior_accepts_any_camera,
    views_of_an_object_have_one_noise_level,
    editing_prior_has_its_source_image,
)


# Stages


def stage_has_cameras(parts: StageParts) -> Refusal | None:
    """A stage has cameras, unless all its guidance uses the cameras of the data."""
    needs_cameras = any(DATA not in guidance.objective.capabilities.needs for guidance in parts.guidance.values())
    if parts.cameras is not None or not (needs_cameras or parts.data is None):
        return None
    return Refusal("missing value: cameras, from where the object is looked at")


def renderer_takes_the_geometry(parts: StageParts) -> Refusal | None:
    """A renderer takes the form of the geometry: field, surface or splats."""
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


def renderer_supports_the_material(parts: StageParts) -> Refusal | None:
    """A renderer gives what the material needs: latents, or normals for shading."""
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
    """A background has as many latent channels as the material, or color like it."""
    material_channels = parts.material.capabilities.latent_channels
    background_channels = parts.background.capabilities.latent_channels
    if material_channels == background_channels:
        return None
    counts = (material_channels, background_channels)
    front, back = (f"{count} latent channels" if count else "colour" for count in counts)
    return Refusal(
        f"material {parts.material.name!r} draws {front}, but background {parts.background.name!r} draws {back}",
        f"a background that fits: {{type: textured, channels: {material_channels or 3}}}",
    )


def image_objectives_take_no_latent_material(parts: StageParts) -> Refusal | None:
    """A material of latents does not go with an objective that compares images."""
    for guidance in parts.guidance.values():
        needs_picture = guidance.input == "rgb" and PICTURE in guidance.objective.capabilities.needs
        if needs_picture and parts.material.capabilities.latent_channels:
            return _compares_pictures(guidance.objective, f"material {parts.material.name!r} draws latents")
    return None


def renderer_gives_guidance_inputs(parts: StageParts) -> Refusal | None:
    """A renderer gives the entries of a rendering that the guidance needs."""
    for name, guidance in parts.guidance.items():
        if lacking := guidance.rendering_entries - parts.renderer.capabilities.gives:
            entries = listed(lacking).replace("normal", "normals")
            return Refusal(f"guidance {name!r} needs {entries}, which renderer {parts.renderer.name!r} does not give")
    return None


def guidance_has_its_data(parts: StageParts) -> Refusal | None:
    """A stage has data for an objective that needs it, and a reference image for a prior that is conditioned on one."""
    for name, guidance in parts.guidance.items():
        if DATA in guidance.objective.capabilities.needs and parts.data is None:
            return Refusal(f"guidance {name!r} uses the data's pictures, but the stage has no 'data'")
        if REFERENCE in guidance.prior.capabilities.needs:
            what = f"guidance {name!r}: prior {guidance.prior.name!r} continues a picture"
            if refusal := _reference(what, parts.data):
                return refusal
    return None


def loss_has_its_targets(parts: StageParts) -> Refusal | None:
    """A stage has the data, target entries or reference image that a loss needs."""
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
    """A renderer and a geometry give the entries that a loss needs."""
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
    stage_has_cameras,
    renderer_takes_the_geometry,
    geometry_has_the_features,
    renderer_supports_the_material,
    background_matches_the_material,
    image_objectives_take_no_latent_material,
    renderer_gives_guidance_inputs,
    guidance_has_its_data,
    loss_has_its_targets,
    loss_has_its_entries,
)


def _conditions(part: PartSpec, prior: PartSpec) -> Refusal | None:
    capabilities = prior.capabilities
    lacking = within(CONDITION, part.capabilities.needs) - capabilities.gives
    if not lacking:
        return None
    message = f"{part.kind} {part.name!r} needs {listed(lacking)}, which prior {prior.name!r} does not give"
    remedies = {capabilities.remedies.get(entry, "") for entry in lacking}
    if len(remedies) == 1 and (remedy := remedies.pop()):
        return Refusal(message, remedy)
    return Refusal(message, f"it gives {listed(within(CONDITION, capabilities.gives))}")


def _compares_pictures(objective: PartSpec, but: str) -> Refusal:
    return Refusal(f"objective {objective.name!r} compares pictures, but {but}")


def _reference(what: str, data: PartSpec | None) -> Refusal | None:
    if data is None:
        return Refusal(f"{what}, but the stage has no 'data'", PICTURE_REMEDY)
    if REFERENCE in data.capabilities.gives:
        return None
    return Refusal(f"{what}, but data {data.name!r} gives none", data.capabilities.remedies.get(REFERENCE, ""))


def _targets(loss: str, needed: frozenset[str], data: PartSpec) -> Refusal | None:
    lacking = needed - data.capabilities.gives
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
    """Names of the parts of a kind with capabilities (at default settings) that fit; for remedies."""
    specs = [with_defaults(kind, name) for name in registry.names(kind)]
    return ", ".join(spec.name for spec in specs if spec is not None and _has(spec, fits)) or "none"


def _has(spec: PartSpec, fits: Callable[[Capabilities], bool]) -> bool:
    try:
        return fits(spec.capabilities)
    except PluginError:
        return False


def with_defaults(kind: str, name: str) -> PartSpec | None:
    """A part with its default settings; None: some have no default, or it is a plugin's that cannot be used."""
    try:
        return part(kind, name)
    except (TypeError, ValueError, PluginError):
        return None
