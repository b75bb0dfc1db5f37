"""The contract of a loss."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from maquette.config.schedules import Schedule
from maquette.renderers.base import Rendering


class Loss:
    """One term. `needs` names what it reads of a rendering ("samples", "normal") or of geometry ("total_variation").

    Every Config has a `weight` schedule; the stage multiplies by it.
    """

    needs: frozenset[str] = frozenset()
    weight: Schedule

    def __call__(self, rendering: Rendering, geometry: Any) -> Tensor:
        """The unweighted term, a scalar."""
        raise NotImplementedError
