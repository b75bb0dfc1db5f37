"""How far many runs are: those that ended, those that run, and the time that is left."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from maquette.runs.jobs import Job

_STEPS = re.compile(r"^(?P<stage>[\w -]+): (?P<done>\d+)/(?P<total>\d+)  ", re.MULTILINE)  # of training/progress.py


@dataclass
class Progress:
    """How far a sweep or a suite is.

    Args:
        jobs: all of them.
        rows: of the runs that have ended, each with its `job`, `error`, `repeated` and `seconds`.
        started: when they began, by the monotonic clock.
        begun: the same in seconds since the epoch.
    """

    jobs: Sequence[Job]
    rows: list[Any] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)
    begun: float = field(default_factory=time.time)

    @property
    def running(self) -> list[tuple[Job, float]]:
        """The jobs that run now, each with the fraction that is done, by their logs."""
        ended = {row.job for row in self.rows}
        waiting = [job for job in self.jobs if job not in ended and job.log.is_file()]
        return [(job, _fraction(job)) for job in waiting if job.log.stat().st_mtime >= self.begun - 1]

    def eta_seconds(self) -> float | None:
        """Estimated seconds to the end; None: nothing is known yet."""
        repeated = sum(row.repeated for row in self.rows)
        done = len(self.rows) - repeated + sum(fraction for _, fraction in self.running)
        if done <= 0:
            return None
        left = len(self.jobs) - repeated - done
        return (time.monotonic() - self.started) / done * max(left, 0.0)


def _fraction(job: Job) -> float:
    """How much of a run is done, by the last line of progress in its log: stages count alike."""
    lines = list(_STEPS.finditer(job.log.read_text(errors="replace")))
    if not lines or lines[-1]["stage"] not in job.stages:
        return 0.0
    within = int(lines[-1]["done"]) / max(int(lines[-1]["total"]), 1)
    return (job.stages.index(lines[-1]["stage"]) + within) / len(job.stages)
