"""Handling of non-finite losses and gradients: a dump, a line in the log, and an error or a skipped step."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from maquette.errors import RunError
from maquette.files import write_atomically
from maquette.training.checkpoints import CheckpointStore
from maquette.training.metrics_log import MetricsLog
from maquette.training.settings import LoopConfig


class NonfinitePolicy:
    """Counts steps with non-finite losses or gradients, and ends the run at too many.

    Args:
        config: whether such a step ends the run or is skipped, and how many in a row end it.
        seed: seed of the run, for the dump.
        store: the dump is written to the folder of its checkpoints.
        log: logs the count.
        skipped: number of skipped steps so far.
    """

    def __init__(
        self, config: LoopConfig, seed: int, store: CheckpointStore, log: MetricsLog, skipped: int = 0
    ) -> None:
        self._seed, self._store, self._log, self.skipped = seed, store, log, skipped
        self._advice = "" if config.precision == "32-true" else "precision 32-true, "
        self._limit = config.nonfinite_limit if config.nonfinite == "skip" else 1
        self._in_a_row = 0

    def record_finite(self) -> None:
        """Record a step with finite loss and gradient."""
        self._in_a_row = 0

    def record_nonfinite(self, step: int, values: Mapping[str, float], description: Mapping[str, Any]) -> None:
        """Record a step with a non-finite loss or gradient.

        Args:
            step: number of the step.
            values: its loss terms and logs.
            description: its cameras, timestep and prompt, as described by the task.

        Raises:
            RunError: there are too many such steps.
        """
        self.skipped += 1
        self._in_a_row += 1
        dump = self._store.folder / "nonfinite.json"
        if not dump.exists():
            facts = {"step": step, "seed": self._seed, "terms": values, **description}
            write_atomically(dump, json.dumps(facts, indent=1, default=str))
        self._log.write(step, {"nonfinite": self.skipped})
        if self._in_a_row < self._limit:
            return
        bad = [name for name, value in values.items() if not math.isfinite(value)] or ["a gradient"]
        checkpoint = self._store.latest()
        raise RunError(
            f"step {step}: not finite: {', '.join(bad)} ({self._in_a_row} in a row); details in {dump}; "
            + (f"last good checkpoint: {checkpoint.path}; " if checkpoint else "")
            + f"try a lower learning rate, {self._advice}or nonfinite=skip"
        )
