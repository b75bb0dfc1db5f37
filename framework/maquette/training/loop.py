"""The training loop: optimiser steps, logging, previews, checkpoints, exact resume and stopping on signals."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path

from maquette.randomness import Moment
from maquette.training.attached import Attached
from maquette.training.checkpoints import CheckpointStore
from maquette.training.metrics_log import MetricsLog
from maquette.training.nonfinite import NonfinitePolicy
from maquette.training.observer import Interlude, Observer
from maquette.training.previews import write_preview
from maquette.training.progress import StepProgress
from maquette.training.settings import LoopConfig
from maquette.training.signals import StopFlag, Stopped, stop_flag
from maquette.training.stepper import Step, Stepper
from maquette.training.task import Task
from maquette.training.timings import Timings

_log = logging.getLogger(__name__)


@dataclass
class Loop:
    """Trains `task` from its first or latest step to `total_steps`.

    Args:
        title: title of the progress bar.
        seed: key of all random numbers.
        store: stores checkpoints.
        log: stores metrics.
        previews: folder for preview images; None: no previews.
        skipped: number of steps skipped for non-finite losses or gradients.
        observer: called between steps; None: nobody looks.
        callback_files: folder for the files of callbacks; None: that of the checkpoints.

    Attributes:
        ended: why it ended before its last step; "": it did not.
        done: steps done.
    """

    title: str
    task: Task
    total_steps: int
    config: LoopConfig
    seed: int
    store: CheckpointStore
    log: MetricsLog
    previews: Path | None = None
    timings: Timings = field(default_factory=Timings)
    skipped: int = 0
    observer: Observer | None = None
    callback_files: Path | None = None
    ended: str = field(default="", init=False)
    done: int = field(default=0, init=False)

    def run(self, resume: bool) -> None:
        """Train to the end; with `resume`, from the latest checkpoint on.

        Raises:
            Stopped: by a signal, after writing a checkpoint.
            RunError: a loss or gradient is not finite, or a checkpoint cannot be read or written.
        """
        self.store.prepare()
        stepper, files = Stepper(self.task, self.config, self.timings), self.callback_files or self.store.folder
        attached = Attached(self.config, self.title, self.task, self.total_steps, files, self.log, self.timings)
        self.done = self._restore(stepper, attached) if resume else 0
        self.ended = attached.ended
        if self.done >= self.total_steps or self.ended:
            return
        progress = StepProgress(self.title, self.total_steps, self.done)
        try:
            with stop_flag() as flag:
                attached.start(self.done)
                self.done = self._steps(stepper, self.done, progress, flag, attached)
                self.ended, complete = attached.ended, bool(attached.ended) or self.done == self.total_steps
                progress.close()
                with flag.saving():
                    self._save(stepper, self.done, attached)
                if complete:
                    attached.end(self.done)
        finally:
            progress.close()
            self.log.close()
        if flag.requested and not complete:
            raise Stopped(flag.number)
        if self.ended:
            _log.info("%s ended after %d of %d steps; %s", self.title, self.done, self.total_steps, self.ended)

    def _restore(self, stepper: Stepper, attached: Attached) -> int:
        """Load the latest checkpoint, if there is one; returns the number of steps done."""
        latest = self.store.latest()
        if latest is None:
            return 0
        extra = latest.load(self.task, stepper.optimizer)
        self.skipped = int(extra.get("skipped", 0))
        attached.load_state(extra.get("attached", {}))
        return latest.step

    def _save(self, stepper: Stepper, done: int, attached: Attached) -> None:
        attached.checkpoint(done)
        self.store.save(done, self.task, stepper.optimizer, {"skipped": self.skipped, "attached": attached.state()})

    def _steps(self, stepper: Stepper, first: int, progress: StepProgress, flag: StopFlag, attached: Attached) -> int:
        """Step until the end, until a criterion ends the loop or a stop is requested; returns the steps done."""
        config, policy = self.config, NonfinitePolicy(self.config, self.seed, self.store, self.log, self.skipped)
        self._observe(first, 0.0, flag)
        for number in range(first, self.total_steps):
            if flag.requested:  # while the observer waited
                return number
            step, done = stepper.step(Moment.at(number, self.total_steps, self.seed)), number + 1
            if step.finite:
                policy.record_finite()
                ended = attached.step(done, step)
                self._report(step, done, progress, last=bool(ended) or done == self.total_steps)
            else:
                policy.record_nonfinite(number, step.terms.values(), self.task.describe())
                self.skipped = policy.skipped
            self._observe(done, step.seconds, flag)
            if flag.requested or attached.ended:
                return done
            if step.finite and _due(config.checkpoint_every, done) and done < self.total_steps:
                with self.timings.measure("checkpoints"), flag.saving():
                    self._save(stepper, done, attached)
        return self.total_steps

    def _observe(self, done: int, step_seconds: float, flag: StopFlag) -> None:
        if self.observer is None:
            return
        with self.timings.measure("observer"):
            self.observer.between_steps(
                Interlude(
                    self.title, self.task, done, self.total_steps, step_seconds, lambda: flag.requested,
                    lambda values: self.log.write(done, values),
                )
            )  # fmt: skip

    def _report(self, step: Step, done: int, progress: StepProgress, last: bool) -> None:
        config, figures = self.config, ""
        if config.log_every and (_due(config.log_every, done) or last):
            self.log.write(done - 1, {**step.values(), "lr": step.learning_rate, "step_seconds": step.seconds})
            figures = f"loss {step.loss:.4g}"
        progress.update(done, figures)
        if self.previews is not None and config.preview_every and (_due(config.preview_every, done) or last):
            with self.timings.measure("previews"):
                path = write_preview(self.task, done, self.previews)
            if path is not None:
                self.log.picture(done, path)


def _due(every: int, done: int) -> bool:
    """Whether `done` is a multiple of `every`; never for 0."""
    return every > 0 and done % every == 0
