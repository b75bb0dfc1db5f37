"""What happens when a loss or a gradient is not finite: a dump, a line in the log, and an end or another try."""

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
    """Counts steps whose numbers were not finite, and says when there were too many.

    Args:
        config: whether such a step ends the run, and how many in a row do in any case.
        seed: of the run, for the dump.
        store: beside its checkpoints the dump is written.
        log: where the count goes.
        skipped: such steps so far.
    """

    def __init__(
        self, config: LoopConfig, seed: int, store: CheckpointStore, log: MetricsLog, skipped: int = 0
    ) -> None:
        self._seed, self._store, self._log, self.skipped = seed, store, log, skipped
        self._advice = "" if config.precision == "32-true" else "precision 32-true, "
        self._limit = config.nonfinite_limit if config.nonfinite == "skip" else 1
        self._in_a_row = 0

    def passed(self) -> None:
        """A step was finite."""
        self._in_a_row = 0

    def failed(self, step: int, values: Mapping[str, float], scene: Mapping[str, Any]) -> None:
        """A step was not.

        Args:
            step: which.
            values: its loss terms and logs.
            scene: what it looked at.

        Raises:
            RunError: that ends the run.
        """
        self.skipped += 1
        self._in_a_row += 1
        dump = self._store.folder / "nonfinite.json"
        if not dump.exists():
            facts = {"step": step, "seed": self._seed, "terms": values, **scene}
            write_atomically(dump, json.dumps(facts, indent=1, default=str))
        self._log.write(step, {"nonfinite": self.skipped})
        if self._in_a_row < self._limit:
            return
        bad = [name for name, value in values.items() if not math.isfinite(value)] or ["a gradient"]
        kept = self._store.latest()
        raise RunError(
            f"step {step}: not finite: {', '.join(bad)} ({self._in_a_row} in a row); details in {dump}; "
            + (f"last good checkpoint: {kept.path}; " if kept else "")
            + f"try a lower learning rate, {self._advice}or nonfinite=skip"
        )
