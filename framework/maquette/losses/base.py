"""The contracts of losses: they look at a rendering, at a rendering and its target, or at the scene once more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from maquette.cameras.base import Cameras
from maquette.config.schedules import Schedule
from maquette.data.base import Target
from maquette.priors.base import Request
from maquette.randomness import Draws
from maquette.renderers.base import Rendering


class Loss:
    """One term. `needs` names what it reads of a rendering ("samples", "normal") or of geometry ("total_variation").

    `wants_reference`: it is about a picture of the object, so that a stage without data is of no use.
    Every Config has a `weight` schedule; the stage multiplies by it.
    """

    needs: frozenset[str] = frozenset()
    wants_reference: bool = False
    weight: Schedule

    def prepare(self, request: Request) -> None:
        """Called once, before the first step, with what is to be made."""

    def __call__(self, rendering: Rendering, geometry: Any) -> Tensor:
        """The unweighted term, a scalar."""
        raise NotImplementedError


class Comparison:
    """One term that compares a rendering with its target.

    `needs` is as in `Loss`; `wants` names what it reads of the target beyond rgb and opacity ("depth", "normal").
    """

    needs: frozenset[str] = frozenset()
    wants: frozenset[str] = frozenset()
    weight: Schedule

    def __call__(self, rendering: Rendering, target: Target) -> Tensor:
        """The unweighted term, a scalar; the rendering was drawn from the target's cameras."""
        raise NotImplementedError


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


class Probe:
    """One term that looks at the scene once more: from cameras, or at points, near those of a rendering.

    `needs` is as in `Loss`. What it does not ask for is not computed.
    """

    needs: frozenset[str] = frozenset()
    weight: Schedule

    def __call__(self, rendering: Rendering, around: Surroundings) -> Tensor:
        """The unweighted term, a scalar."""
        raise NotImplementedError


def zero_of(tensor: Tensor) -> Tensor:
    """Zero, differentiable in a tensor: the term where there is nothing to judge."""
    return tensor.sum() * 0
