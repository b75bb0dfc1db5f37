"""What a loop steps: the contract of a task, and its groups of parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from maquette.config.schedules import Schedule
from maquette.geometry.base import ChangedRows
from maquette.objectives.terms import Terms
from maquette.randomness import Moment


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that share a learning rate."""

    name: str
    parameters: list[nn.Parameter]
    learning_rate: Schedule
    matrices: bool = False  # hidden weight matrices, which Muon may orthogonalise


class Task(nn.Module):
    """What a loop steps: its parameters and buffers are the whole state that a checkpoint holds."""

    def groups(self) -> list[ParameterGroup]:
        """Parameters to optimise."""
        raise NotImplementedError

    def terms(self, moment: Moment) -> Terms:
        """The weighted loss terms of one step."""
        raise NotImplementedError

    def after_step(self, moment: Moment) -> list[ChangedRows]:
        """Upkeep after the optimiser's step; says which parameters had their rows exchanged."""
        return []

    def preview(self, step: int) -> np.ndarray | None:
        """A picture [H, W, 3] in [0, 1] of the present state, or None."""
        return None

    def describe(self) -> dict[str, Any]:
        """What the latest step looked at (cameras, timestep ...), for the report on a number that is not finite."""
        return {}
