"""The contracts of losses: regularisers look at a rendering alone, comparisons at a rendering and its target."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from maquette.config.schedules import Schedule
from maquette.renderers.base import Rendering
from maquette.supervision.base import Target


class Loss:
    """One term. `needs` names what it reads of a rendering ("samples", "normal") or of geometry ("total_variation").

    Every Config has a `weight` schedule; the stage multiplies by it.
    """

    needs: frozenset[str] = frozenset()
    weight: Schedule

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
