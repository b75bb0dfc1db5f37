"""Capabilities of a part: what it needs from other parts and gives to them, known from class and config alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

CONDITION, RENDERING, GEOMETRY, TARGET, COPY = "condition", "rendering", "geometry", "target", "copy"
"""Namespaces of entries: `rendering:normal` and `target:normal` are different things."""

RENDERED_COLOR, RENDERED_OPACITY, RENDERED_DEPTH = "rendering:rgb", "rendering:opacity", "rendering:depth"
RENDERED_NORMAL, RENDERED_LATENTS = "rendering:normal", "rendering:latents"
RENDERED_SAMPLES, RENDERED_MESH, RENDERED_PROJECTIONS = "rendering:samples", "rendering:mesh", "rendering:projections"
"""Entries of a `Rendering`; every renderer gives the first three."""

GEOMETRY_SDF, GEOMETRY_LAPLACIAN = "geometry:sdf", "geometry:laplacian"
GEOMETRY_TOTAL_VARIATION = "geometry:total_variation"
GEOMETRY_SIGN_CHANGES, GEOMETRY_DEVIATION = "geometry:sign_changes", "geometry:deviation"
"""Entries of a geometry that losses need; its form is an entry too, see `form`."""

TARGET_DEPTH, TARGET_NORMAL = "target:depth", "target:normal"
"""Entries of a `Target` beyond color and opacity."""

NOISE_PREDICTION = "noise prediction"
"""Given by scores that return a noise prediction; others return a direction without the noise."""
ONE_NOISE_LEVEL = "one noise level"
"""Given by objectives that noise all pictures of a step to one timestep."""
ANY_CAMERA = "any camera"
"""Given by priors that accept arbitrary cameras."""
DATA = "data"
"""Posed views of the object, given by data."""
SAMPLED_VIEWS = "sampled views"
"""Pictures that an earlier stage sampled, needed by data that gives them as targets; the stage hands them over."""
REFERENCE = "reference"
"""A reference image of the object, needed by image-conditioned priors and reference losses."""
SOURCE_PICTURE = "source picture"
"""The source image of an editing prior, which needs it; an objective gives it."""
PICTURE = "picture"
"""Rendered color instead of latents, needed by objectives that compare pictures."""
NEW_WORD = "new word"
"""Given by priors that support textual inversion: trainable token embeddings of their text encoder."""


def condition(name: str) -> str:
    """The entry of a named condition; `maquette.priors.base.Conditions` lists the names in use."""
    return f"{CONDITION}:{name}"


def form(name: str) -> str:
    """The entry of a geometry's form: "field", "surface" or "splats"."""
    return f"{GEOMETRY}:{name}"


def trainable_copy(kind: str) -> str:
    """The entry of a trainable copy of a prior, of kind "lora" or "copy"."""
    return f"{COPY}:{kind}"


def within(namespace: str, entries: Iterable[str]) -> frozenset[str]:
    """The entries in a namespace.

    Example:
        >>> sorted(within("rendering", {"rendering:normal", "geometry:sdf"}))
        ['rendering:normal']
    """
    return frozenset(entry for entry in entries if entry.startswith(f"{namespace}:"))


def bare(entries: Iterable[str]) -> frozenset[str]:
    """The entries without their namespaces."""
    return frozenset(entry.rpartition(":")[2] for entry in entries)


def listed(entries: Iterable[str]) -> str:
    """The entries without their namespaces as a comma-separated list, for messages.

    Example:
        >>> listed({"rendering:samples", "geometry:sdf"})
        'samples, sdf'
    """
    return ", ".join(sorted(bare(entries)))


@dataclass(frozen=True)
class Capabilities:
    """What a configured part needs and gives. Entries are the constants of this module.

    Args:
        needs: entries that other parts must give.
        gives: entries that other parts may need.
        remedies: entry that the part could give -> hint at the settings that enable it.
        inner: config key of a nested part -> entries that the nested part must give.
        views_per_object: number of consecutive pictures of one object that are denoised jointly, at one timestep.
        feature_channels: feature channels that a geometry outputs, or that a material takes as input.
        latent_channels: channels of the latents that a material or background outputs; 0: it outputs color.
    """

    needs: frozenset[str] = frozenset()
    gives: frozenset[str] = frozenset()
    remedies: Mapping[str, str] = field(default_factory=dict)
    inner: Mapping[str, frozenset[str]] = field(default_factory=dict)
    views_per_object: int = 1
    feature_channels: int = 0
    latent_channels: int = 0

    def needing(self, *entries: str) -> Capabilities:
        """A copy that also needs these entries.

        Example:
            >>> sorted(Capabilities().needing(DATA).needing(RENDERED_NORMAL, TARGET_NORMAL).needs)
            ['data', 'rendering:normal', 'target:normal']
        """
        return replace(self, needs=self.needs | set(entries))

    def giving(self, *entries: str) -> Capabilities:
        """A copy that also gives these entries."""
        return replace(self, gives=self.gives | set(entries))

    @property
    def conditions(self) -> frozenset[str]:
        """Names of the conditions that the part needs."""
        return bare(within(CONDITION, self.needs))
