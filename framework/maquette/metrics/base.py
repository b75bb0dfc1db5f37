"""The contract of a metric, and of the truth that it compares with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

from maquette.cameras.base import Cameras
from maquette.config.parts import TruthSpec
from maquette.data.formats import PosedImages
from maquette.errors import ConfigError
from maquette.export.base import Subject
from maquette.meshes.mesh import Mesh
from maquette.scene import RenderedViews

Direction = Literal["higher", "lower"]
"""Which values of a measure are better."""

TruthForm = Literal["surface", "views"]
"""What may be known of the true object: its surface, and pictures of it."""


class MeasuredSubject(Subject, Protocol):
    """A finished object that can be rendered from any cameras."""

    def render_cameras(self, cameras: Cameras, normals: bool = True) -> RenderedViews:
        """Unlit pictures from B cameras."""
        ...


class Truth(ABC):
    """A part of the kind `truth`: the true object of a case, in the scene's world (z up, front along +x, scene units).

    Built from its Config when a case is measured; reads or makes only what is asked for.
    """

    @property
    @abstractmethod
    def gives(self) -> tuple[TruthForm, ...]:
        """What is known of the object, determined without reading it."""

    def surface(self) -> Mesh:
        """The true surface, closed and wound outward; only if `gives` has "surface".

        Raises:
            ConfigError: a file is missing or broken.
        """
        raise NotImplementedError

    def views(self) -> PosedImages:
        """True pictures with alpha; only if `gives` has "views".

        Raises:
            ConfigError: a file is missing or broken.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Case:
    """One task of a suite.

    Args:
        prompt: of the scene.
        labels: ground truth, e.g. {"category": "mug", "colour": "red"}.
        truth: the true object, for metrics that compare with its surface or with pictures of it.
    """

    prompt: str
    labels: Mapping[str, str] = field(default_factory=dict)
    truth: TruthSpec | None = None

    def build_truth(self) -> Truth:
        """The true object.

        Raises:
            ConfigError: the case has none.
        """
        if self.truth is None:
            raise ConfigError(f"the case {self.prompt!r} has no truth to compare with", key="cases", hint=TRUTH_HINT)
        truth: Truth = self.truth.build()
        return truth


TRUTH_HINT = "give it one, e.g. truth: {type: files, surface: mug.glb, views: FOLDER}"


@dataclass(frozen=True)
class Measurement:
    """The result of a metric for one scene.

    Args:
        values: numbers to average over the suite; fractions are in [0, 1].
        facts: details as plain data.
    """

    values: Mapping[str, float]
    facts: Mapping[str, Any] = field(default_factory=dict)


class Metric(ABC):
    """A part of the kind `metric`: built once from its Config, called for each finished scene.

    Attributes:
        needs: what it needs to know of the true object.
    """

    needs: ClassVar[tuple[TruthForm, ...]] = ()

    @abstractmethod
    def directions(self) -> Mapping[str, Direction]:
        """Name of each value that it measures -> whether higher or lower values are better."""

    @abstractmethod
    def __call__(self, subject: MeasuredSubject, case: Case) -> Measurement:
        """Measure one scene against its case."""


def check_truth(metric: Metric, case: Case) -> None:
    """Check that a case has the truth that a metric needs, without reading it.

    Raises:
        ConfigError: it has not.
    """
    if not metric.needs:
        return
    gives = case.build_truth().gives
    for form in metric.needs:
        if form not in gives:
            raise ConfigError(
                f"the truth of the case {case.prompt!r} has no {form}, which a metric compares with", key="cases",
                hint=TRUTH_HINT,
            )  # fmt: skip
