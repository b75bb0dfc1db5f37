"""The contracts of losses: they look at a rendering, at a rendering and its target, or at the scene once more."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from maquette.cameras.base import Cameras
from maquette.config.capabilities import DATA, RENDERED_NORMAL, Capabilities
from maquette.config.schedules import Schedule
from maquette.data.base import Target
from maquette.priors.base import Request
from maquette.randomness import Draws
from maquette.renderers.base import Rendering


class WeightedLoss(ABC):
    """What every loss is: a term that the stage multiplies by the `weight` schedule of its Config.

    A part of the kind `loss` derives from `Loss`, `Comparison` or `Probe`.

    Args:
        config: an instance of the class's Config.
    """

    def __init__(self, config: Any) -> None:
        self.config = config
        self.weight: Schedule = config.weight
        self.reads_normals = RENDERED_NORMAL in self.capabilities(config).needs

    @classmethod
    def capabilities(cls, config: Any) -> Capabilities:
        """Entries of the rendering, the geometry, the target or the data that the loss reads."""
        return Capabilities()

    @abstractmethod
    def __call__(self, *args: Any, **kwargs: Any) -> Tensor:
        """The unweighted term, a scalar."""

    @classmethod
    def lacks(cls) -> list[str]:
        """What keeps a subclass from being registered, beside abstract methods."""
        config = getattr(cls, "Config", None)
        settings = [field.name for field in dataclasses.fields(config)] if dataclasses.is_dataclass(config) else []
        return [] if "weight" in settings else ["Config.weight, a Schedule"]


class Loss(WeightedLoss):
    """One term that looks at a rendering, or at the geometry itself."""

    def prepare(self, request: Request) -> None:
        """Called once, before the first step, with what is to be made."""

    @abstractmethod
    def __call__(self, rendering: Rendering, geometry: Any) -> Tensor:
        """The unweighted term, a scalar."""


class Comparison(WeightedLoss):
    """One term that compares a rendering with its target."""

    @classmethod
    def capabilities(cls, config: Any) -> Capabilities:
        return Capabilities().needing(DATA)

    @abstractmethod
    def __call__(self, rendering: Rendering, target: Target) -> Tensor:
        """The unweighted term, a scalar; the rendering was drawn from the target's cameras."""


@dataclass(frozen=True)
class Surroundings:
    """What there is about a rendering.

    Args:
        cameras: it was drawn from.
        geometry: it shows.
        render: draws from other cameras what the rendering shows, without normals: in the same light, before the same
            background, with the same random numbers.
        draws: random numbers of the loss that is asked.
    """

    cameras: Cameras
    geometry: Any
    render: Callable[[Cameras], Rendering]
    draws: Draws


class Probe(WeightedLoss):
    """One term that looks at the scene once more: from cameras, or at points, near those of a rendering.

    What it does not ask for is not computed.
    """

    @abstractmethod
    def __call__(self, rendering: Rendering, around: Surroundings) -> Tensor:
        """The unweighted term, a scalar."""


def zero_of(tensor: Tensor) -> Tensor:
    """Zero, differentiable in a tensor: the term where there is nothing to judge."""
    return tensor.sum() * 0
