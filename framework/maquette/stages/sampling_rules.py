"""Compatibility of the parts of a sample stage: the rules that it is checked against, in order; see `assembly`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from maquette.config.capabilities import NOISE_PREDICTION, REFERENCE, RENDERING, SOURCE_PICTURE, within
from maquette.config.parts import PartSpec
from maquette.stages.assembly import (
    Refusal,
    _conditions,
    _fitting,
    _reference,
    _refuse,
    first_refusal,
)


@dataclass(frozen=True)
class SampleParts:
    """The parts of a sample stage, and its number of cameras.

    Attributes:
        include_reference: whether the reference image is one of the views.
    """

    prior: PartSpec
    score: PartSpec
    cameras: int
    data: PartSpec | None = None
    include_reference: bool = False


def check_sample(parts: SampleParts) -> None:
    """Check a sample stage against `SAMPLE_RULES`. Raises ValueError (or SettingError) for the first broken rule."""
    _refuse(first_refusal(SAMPLE_RULES, parts))


def sampled_prior_needs_no_rendering(parts: SampleParts) -> Refusal | None:
    """A prior that pictures are sampled from makes them of a text or a reference image, and not of a rendering."""
    needs = parts.prior.capabilities.needs
    if not (within(RENDERING, needs) or SOURCE_PICTURE in needs):
        return None
    what = "edits pictures" if SOURCE_PICTURE in needs else "is conditioned on a rendering"
    return Refusal(f"prior {parts.prior.name!r} {what}, and a sample stage has none", "use it in an optimise stage")


def sampling_score_has_its_conditions(parts: SampleParts) -> Refusal | None:
    """A prior that pictures are sampled from gives the conditions that the score needs."""
    return _conditions(parts.score, parts.prior)


def sampling_score_predicts_noise(parts: SampleParts) -> Refusal | None:
    """Pictures are sampled by a score that predicts noise."""
    if NOISE_PREDICTION in parts.score.capabilities.gives:
        return None
    return Refusal(
        f"sampling takes a noise prediction, but score {parts.score.name!r} gives a direction",
        f"scores that predict noise: {_fitting('score', lambda c: NOISE_PREDICTION in c.gives)}",
        "score",
    )


def cameras_come_in_groups(parts: SampleParts) -> Refusal | None:
    """Cameras come in multiples of the views that a prior denoises together."""
    views = parts.prior.capabilities.views_per_object
    if parts.cameras % views == 0:
        return None
    return Refusal(
        f"prior {parts.prior.name!r} denoises {views} views of an object together, and there are {parts.cameras} "
        "cameras", f"list {views} cameras: {{type: list, azimuth_deg: [...]}}", "cameras",
    )  # fmt: skip


def sampled_prior_has_its_reference(parts: SampleParts) -> Refusal | None:
    """A sample stage has a reference image for a prior that is conditioned on one, and to include it in its views."""
    if REFERENCE in parts.prior.capabilities.needs:
        return _reference(f"prior {parts.prior.name!r} continues a picture", parts.data)
    if parts.include_reference:
        return _reference("include_reference needs a picture", parts.data)
    return None


SAMPLE_RULES: tuple[Callable[[SampleParts], Refusal | None], ...] = (
    sampled_prior_needs_no_rendering,
    sampling_score_has_its_conditions,
    sampling_score_predicts_noise,
    cameras_come_in_groups,
    sampled_prior_has_its_reference,
)
