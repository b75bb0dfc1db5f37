"""Base classes of losses: of a rendering (`Loss`), of a rendering and its target (`Comparison`), and `Probe`."""

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
    """A loss term that the stage multiplies by the `weight` schedule of its Config.

    Parts of the kind `loss` derive from `Loss`, `Comparison` or `Probe`.

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
        """What a subclass lacks to be registered, in addition to abstract methods."""
        config = getattr(cls, "Config", None)
        settings = [field.name for field in dataclasses.fields(config)] if dataclasses.is_dataclass(config) else []
        return [] if "weight" in settings else ["Config.weight, a Schedule"]


class Loss(WeightedLoss):
    """A regulariser of a rendering, or of the geometry itself."""

    def prepare(self, request: Request) -> None:
        """Called once, before the first step, with prompts and reference images."""

    @abstractmethod
    def __call__(self, rendering: Rendering, geometry: Any) -> Tensor:
        """The unweighted term, a scalar."""


class Comparison(WeightedLoss):
    """A reconstruction loss between a rendering and its target image, mask, depth or normals."""

    @classmethod
    def capabilities(cls, config: Any) -> Capabilities:
        return Capabilities().needing(DATA)

    @abstractmethod
    def __call__(self, rendering: Rendering, target: Target) -> Tensor:
        """The unweighted term, a scalar; rendering and target have the same cameras."""


@dataclass(frozen=True)
class RenderContext:
    """What a `Probe` needs to render or query the scene once more.

    Args:
        cameras: cameras of the rendering.
        geometry: geometry of the scene.
        render: renders the scene from other cameras, without normals, with the same light, background and random
            numbers.
        draws: random numbers of this loss.
    """

    cameras: Cameras
    geometry: Any
    render: Callable[[Cameras], Rendering]
    draws: Draws


class Probe(WeightedLoss):
    """A regulariser that renders or queries the scene once more, at cameras or points near those of a rendering."""

    @abstractmethod
    def __call__(self, rendering: Rendering, context: RenderContext) -> Tensor:
        """The unweighted term, a scalar."""


def differentiable_zero(tensor: Tensor) -> Tensor:
    """A zero with a gradient of zero to `tensor`: the value of a loss over no samples."""
    return tensor.sum() * 0
