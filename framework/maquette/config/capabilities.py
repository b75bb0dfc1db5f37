"""What a part needs of the parts around it and gives them, told by its class and config alone: nothing is built."""

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
"""What losses ask of a geometry; its form is an entry too, see `form`."""

TARGET_DEPTH, TARGET_NORMAL = "target:depth", "target:normal"
"""Entries of a `Target` beyond color and opacity."""

NOISE_PREDICTION = "noise prediction"
"""A score that predicts the noise gives it. One that gives a direction leaves the noise out."""
ONE_NOISE_LEVEL = "one noise level"
"""An objective that shows all pictures of a step at one noise level gives it."""
ANY_CAMERA = "any camera"
"""A prior that knows views from wherever it is asked gives it."""
DATA = "data"
"""Known views of the object."""
REFERENCE = "reference"
"""A picture of the object that a prior continues, or that a loss is about."""
SOURCE_PICTURE = "source picture"
"""The picture that a prior is to change: such a prior needs it, an objective tells it."""
PICTURE = "picture"
"""Color instead of latents: an objective that compares pictures needs it."""
NEW_WORD = "new word"
"""A prior whose text encoder can be taught words gives it."""


def condition(name: str) -> str:
    """A named condition; `maquette.priors.base.Conditions` lists the names in use."""
    return f"{CONDITION}:{name}"


def form(name: str) -> str:
    """What a geometry is: "field", "surface" or "splats"."""
    return f"{GEOMETRY}:{name}"


def trainable_copy(kind: str) -> str:
    """A trainable copy of a prior of kind "lora" or "copy"."""
    return f"{COPY}:{kind}"


def within(namespace: str, entries: Iterable[str]) -> frozenset[str]:
    """The entries of a namespace.

    Example:
        >>> sorted(within("rendering", {"rendering:normal", "geometry:sdf"}))
        ['rendering:normal']
    """
    return frozenset(entry for entry in entries if entry.startswith(f"{namespace}:"))


def bare(entries: Iterable[str]) -> frozenset[str]:
    """The entries without their namespaces."""
    return frozenset(entry.rpartition(":")[2] for entry in entries)


def listed(entries: Iterable[str]) -> str:
    """The entries without their namespaces, for messages.

    Example:
        >>> listed({"rendering:samples", "geometry:sdf"})
        'samples, sdf'
    """
    return ", ".join(sorted(bare(entries)))


@dataclass(frozen=True)
class Capabilities:
    """What a part, configured, needs and gives. Entries are the constants of this module.

    Args:
        needs: entries that other parts must give.
        gives: entries that other parts may need.
        remedies: entry that the part can give -> which of its settings make it do so.
        inner: config key of a part within this one -> entries which that part must give.
        views_per_object: consecutive pictures of one object that are shown together, under one noise level.
        feature_channels: of a geometry, how many it has; of a material, how many it reads.
        latent_channels: of the latents that a material or background draws; 0: it draws color.
    """

    needs: frozenset[str] = frozenset()
    gives: frozenset[str] = frozenset()
    remedies: Mapping[str, str] = field(default_factory=dict)
    inner: Mapping[str, frozenset[str]] = field(default_factory=dict)
    views_per_object: int = 1
    feature_channels: int = 0
    latent_channels: int = 0

    def needing(self, *entries: str) -> Capabilities:
        """The same, and needs these as well.

        Example:
            >>> sorted(Capabilities().needing(DATA).needing(RENDERED_NORMAL, TARGET_NORMAL).needs)
            ['data', 'rendering:normal', 'target:normal']
        """
        return replace(self, needs=self.needs | set(entries))

    def giving(self, *entries: str) -> Capabilities:
        """The same, and gives these as well."""
        return replace(self, gives=self.gives | set(entries))

    @property
    def conditions(self) -> frozenset[str]:
        """Names of the conditions it needs."""
        return bare(within(CONDITION, self.needs))
