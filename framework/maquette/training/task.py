"""Base class of what the training loop trains: parameter groups and loss terms."""

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
    factor: float = 1.0  # of the learning rate
    opponent: bool = False  # whether they step by `Task.opponent_terms`, before all others


class Task(nn.Module):
    """What a loop trains. Its parameters and buffers are the whole state of a checkpoint."""

    def groups(self) -> list[ParameterGroup]:
        """Parameters to optimise."""
        raise NotImplementedError

    def terms(self, moment: Moment) -> Terms:
        """The weighted loss terms of one step."""
        raise NotImplementedError

    def opponent_terms(self, moment: Moment) -> Terms:
        """The loss terms of the opponent's groups, called before `terms`; no other group gets a gradient."""
        return Terms()

    def after_step(self, moment: Moment) -> list[ChangedRows]:
        """Called after the optimiser's step, e.g. for densification; returns the parameters with changed rows."""
        return []

    def preview(self, step: int) -> np.ndarray | None:
        """A preview image [H, W, 3] in [0, 1] of the current state, or None."""
        return None

    def describe(self) -> dict[str, Any]:
        """Description of the latest step (cameras, timestep ...), for the report on non-finite numbers."""
        return {}
