"""The contract of a metric, and of the truth that it compares with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from maquette.annotations import InputPath
from maquette.cameras.base import Cameras
from maquette.config.parts import TruthSpec
from maquette.data.formats import PosedImages
from maquette.errors import ConfigError
from maquette.export.base import Subject
from maquette.images.picture import Picture
from maquette.meshes.mesh import Mesh
from maquette.scene import RenderedViews

Direction = Literal["higher", "lower"]
"""Which values of a measure are better."""

TruthForm = Literal["surface", "views"]
"""What may be known of the true object: its surface, and pictures of it."""


class MeasuredSubject(Subject, Protocol):
    """A finished object that can be rendered from any cameras, with normals or without."""

    def render(
        self, azimuth_deg: Sequence[float], elevation_deg: float, size: int, normals: bool = True
    ) -> RenderedViews:
        """Unlit pictures from cameras around the object; see `Subject`."""
        ...

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

    def pictures(self, cameras: Cameras) -> Picture | None:
        """True pictures with alpha from B cameras; None: it draws none, and its surface is drawn in their place."""
        return None


@dataclass(frozen=True)
class Case:
    """One task of a suite.

    Args:
        prompt: of the scene; "" where it is made from a picture or from data alone.
        labels: ground truth, e.g. {"category": "mug", "colour": "red"}.
        truth: the true object, for metrics that compare with its surface or with pictures of it.
        image: picture that the scene is made from; "": none.
        data: posed images that the scene is made from; "": none.
    """

    prompt: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    truth: TruthSpec | None = None
    image: InputPath = ""
    data: InputPath = ""

    @property
    def title(self) -> str:
        """The case in tables: its prompt, or the name of its picture or data."""
        return self.prompt or Path(self.image or self.data).stem

    @property
    def words(self) -> tuple[str, ...]:
        """What it is in words of `maquette run`, e.g. `prompt=a red mug`."""
        inputs = {"prompt": self.prompt, "image": self.image, "data": self.data}
        return tuple(f"{key}={value}" for key, value in inputs.items() if value)

    def build_truth(self) -> Truth:
        """The true object.

        Raises:
            ConfigError: the case has none.
        """
        if self.truth is None:
            raise ConfigError(f"the case {self.title!r} has no truth to compare with", key="cases", hint=TRUTH_HINT)
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
        needs_image: whether it compares with the picture that the scene was made from.
        protocol: id of what it measures and how; "": its registered name.
        version: of the protocol; a change of a figure's meaning changes it.
    """

    needs: ClassVar[tuple[TruthForm, ...]] = ()
    needs_image: ClassVar[bool] = False
    protocol: ClassVar[str] = ""
    version: ClassVar[int] = 1

    @abstractmethod
    def directions(self) -> Mapping[str, Direction]:
        """Name of each value that it measures -> whether higher or lower values are better."""

    @abstractmethod
    def __call__(self, subject: MeasuredSubject, case: Case) -> Measurement:
        """Measure one scene against its case."""

    def oracle(self, case: Case) -> MeasuredSubject | None:
        """What no result can surpass in this metric; None: the case's true object."""
        return None

    @classmethod
    def compares(cls) -> bool:
        """Whether it compares with the case's truth or picture, so that an oracle bounds its values in each case."""
        return bool(cls.needs) or cls.needs_image


def protocol_name(key: str, part_name: str, cls: type[Metric]) -> str:
    """Id and version of a metric's protocol, which begin the names of its values in records and tables.

    Args:
        key: what a suite calls the metric.
        part_name: the metric's registered name.
        cls: its class.

    Example:
        >>> class Refview(Metric):
        ...     version = 2
        >>> protocol_name("refview", "refview", Refview), protocol_name("side", "refview", Refview)
        ('refview@2', 'side.refview@2')
    """
    plain = part_name.rpartition("/")[2]
    name = f"{cls.protocol or plain}@{cls.version}"
    return name if key in (part_name, plain) else f"{key}.{name}"


def check_truth(metric: Metric, case: Case) -> None:
    """Check that a case has the truth that a metric needs, without reading it.

    Raises:
        ConfigError: it has not.
    """
    if metric.needs_image and not case.image:
        raise ConfigError(
            f"the case {case.title!r} has no image, which a metric compares with", key="cases",
            hint="give it one, e.g. image: mug.png",
        )  # fmt: skip
    if not metric.needs:
        return
    gives = case.build_truth().gives
    for form in metric.needs:
        if form not in gives:
            raise ConfigError(
                f"the truth of the case {case.title!r} has no {form}, which a metric compares with", key="cases",
                hint=TRUTH_HINT,
            )  # fmt: skip
