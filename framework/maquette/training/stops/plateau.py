"""The end of a loop whose loss no longer falls."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from maquette.annotations import Count, CountOrNone, Fraction
from maquette.errors import did_you_mean
from maquette.registry import register
from maquette.training.stops.base import StepFigures, Stop

_log = logging.getLogger(__name__)


@register("stop", "plateau")
class Plateau(Stop):
    """The end when a metric, averaged over steps, has not fallen for some time.

    The average is exponential: a_n = a_(n-1) + (x_n - a_(n-1)) / k. Of distillation, the loss says little: its gradient
    is what is prescribed, so that a plateau is a criterion for losses that compare with pictures, and for training.
    """

    @dataclass(frozen=True)
    class Config:
        metric: str = "loss"  # a name of metrics.jsonl, such as loss/rgb
        patience: Count = 200  # steps without a new best after which the loop ends
        improvement: Fraction = 0.01  # of the best average so far, by which a new best is lower
        smoothing: Count = 50  # k, steps that the average looks back
        after: CountOrNone = 0  # steps before which the loop does not end

    def __init__(self, config: Config) -> None:
        self.config = config
        self._average: float | None = None
        self._best: float | None = None
        self._best_at = 0
        self._missed = False

    def reason(self, figures: StepFigures) -> str:
        c, value = self.config, figures.values.get(self.config.metric)
        if value is None:
            self._tell_names(figures)
            return ""
        self._average = value if self._average is None else self._average + (value - self._average) / c.smoothing
        if self._best is None or self._average < self._best - abs(self._best) * c.improvement:
            self._best, self._best_at = self._average, figures.done
        if figures.done - self._best_at < c.patience or figures.done < c.after:
            return ""
        return f"{c.metric} has not fallen by {c.improvement:.2g} of {self._best:.4g} since step {self._best_at}"

    def _tell_names(self, figures: StepFigures) -> None:
        if not self._missed:
            names = sorted(figures.values)
            hint = f"{did_you_mean(self.config.metric, names)}known: {', '.join(names)}"
            _log.warning("plateau: step %d has no %r; %s", figures.done, self.config.metric, hint)
        self._missed = True

    def state(self) -> Mapping[str, Any]:
        return {"average": self._average, "best": self._best, "best_at": self._best_at, "missed": self._missed}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self._average, self._best = state["average"], state["best"]
        self._best_at, self._missed = state["best_at"], state["missed"]
