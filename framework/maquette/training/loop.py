"""The one training loop: Lightning steps a task; we see to exact resume, finite numbers and orderly stops."""

from __future__ import annotations

import json
import logging
import math
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from torch.utils.data import DataLoader

from maquette.errors import RunError
from maquette.files import write_atomically
from maquette.objectives.terms import Terms
from maquette.randomness import Moment
from maquette.training.checkpoints import CheckpointStore
from maquette.training.metrics_log import MetricsLog
from maquette.training.optimisers import OPTIMISERS, carry_moments
from maquette.training.progress import StepProgress
from maquette.training.settings import LoopConfig
from maquette.training.signals import Stopped, stop_flag
from maquette.training.task import Task
from maquette.training.timings import Timings


@dataclass
class Loop:
    """Runs `task` from `first_step` to `total_steps`.

    Args:
        title: shown before the progress.
        seed: keys all draws.
        store: where checkpoints go.
        log: where metrics go.
        previews: folder of pictures; None: none are made.
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

    def run(self, resume: bool) -> None:
        """Step to the end, from the latest checkpoint when `resume`.

        Raises:
            Stopped: a signal asked for it; a checkpoint was written.
            RunError: numbers are not finite, or a checkpoint cannot be read or written.
        """
        module = _Stepper(self)
        first = 0
        latest = self.store.latest() if resume else None
        if latest is not None:
            extra = latest.load(self.task, module.optimizer)
            self.skipped, first = int(extra.get("skipped", 0)), latest.step
        if first >= self.total_steps:
            return
        module.progress = StepProgress(self.title, self.total_steps, first)
        try:
            with stop_flag() as flag, _quiet():
                module.flag = flag
                trainer = L.Trainer(
                    accelerator={"auto": "auto", "cpu": "cpu", "cuda": "gpu"}[self.config.device],
                    devices=1,
                    precision=self.config.precision,
                    benchmark=self.config.cudnn_benchmark,
                    max_epochs=1,
                    logger=False,
                    enable_checkpointing=False,
                    enable_progress_bar=False,
                    enable_model_summary=False,
                )
                steps: Any = DataLoader(range(first, self.total_steps), batch_size=None)  # type: ignore[arg-type]
                trainer.fit(module, steps)
            if module.failure is not None:
                raise module.failure
        finally:
            module.progress.close()
            self.log.close()
        self.store.save(module.done, self.task, module.optimizer, {"skipped": self.skipped})
        if flag.requested and module.done < self.total_steps:
            raise Stopped


class _Stepper(L.LightningModule):
    """The LightningModule. It owns the optimiser and the order of events in a step, and knows no method."""

    def __init__(self, loop: Loop) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.loop, self.task = loop, loop.task
        groups, config = loop.task.groups(), loop.config
        self.rates = [group.learning_rate for group in groups]
        self.optimizer = OPTIMISERS[config.optimiser](
            [{"params": group.parameters, "lr": 0.0, "orthogonal": group.matrices} for group in groups],
            betas=config.betas,
            eps=config.epsilon,
            weight_decay=config.weight_decay,
        )
        self.parameters_list = [p for group in groups for p in group.parameters]
        self.done, self.in_a_row = 0, 0
        self.failure: RunError | None = None
        self.progress: Any = None
        self.flag: Any = None

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return self.optimizer

    def on_fit_start(self) -> None:
        # checkpoints are read on the CPU; the moments follow their parameters
        for parameter, state in self.optimizer.state.items():
            for name, value in state.items():
                if isinstance(value, torch.Tensor):
                    state[name] = value.to(parameter.device)

    def on_train_start(self) -> None:
        self.flag.install()  # Lightning has just put its own handler there, which would end the process

    def training_step(self, step: Any, index: int) -> None:
        step, loop, config = int(step), self.loop, self.loop.config
        started = time.perf_counter()
        moment = Moment.at(step, loop.total_steps, loop.seed)
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate.at(moment)
        self.optimizer.zero_grad(set_to_none=True)
        terms = loop.task.terms(moment)
        total = terms.total()
        with loop.timings.measure("backward"):
            self.manual_backward(total)
        gradients = [p.grad for p in self.parameters_list if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients) if gradients else torch.zeros(())
        if not (math.isfinite(float(norm)) and math.isfinite(float(total.detach()))):
            self._not_finite(step, terms)
            return
        self.in_a_row = 0
        if config.gradient_clip > 0:
            torch.nn.utils.clip_grads_with_norm_(self.parameters_list, config.gradient_clip, norm)
        with loop.timings.measure("optimiser"):
            self.optimizers().step()  # type: ignore[union-attr]
        with torch.no_grad():
            for change in loop.task.after_step(moment.sub("after")):
                carry_moments(self.optimizer, change)
        self.done = step + 1
        self._report(step, terms, float(norm), time.perf_counter() - started)

    def _not_finite(self, step: int, terms: Terms) -> None:
        loop = self.loop
        loop.skipped += 1
        self.in_a_row += 1
        self.done = step + 1
        offender = {"step": step, "seed": loop.seed, "terms": terms.values(), **loop.task.describe()}
        place = loop.store.folder / "nonfinite.json"
        if not place.exists():
            write_atomically(place, json.dumps(offender, indent=1, default=str))
        bad = [name for name, value in terms.values().items() if not math.isfinite(value)] or ["a gradient"]
        loop.log.write(step, {"nonfinite": loop.skipped})
        if loop.config.nonfinite == "skip" and self.in_a_row < loop.config.nonfinite_limit:
            return
        kept = loop.store.latest()
        self.failure = RunError(
            f"step {step}: not finite: {', '.join(bad)} ({self.in_a_row} in a row); details in {place}; "
            + (f"last good checkpoint: {kept.path}; " if kept else "")
            + "try a lower learning rate, precision 32-true, or nonfinite=skip"
        )
        self.trainer.should_stop = True

    def _report(self, step: int, terms: Terms, norm: float, seconds: float) -> None:
        loop, config, done = self.loop, self.loop.config, self.done
        last = done == loop.total_steps
        if config.log_every and (done % config.log_every == 0 or last):
            values = {"loss": float(terms.total().detach()), **terms.values(), "gradient_norm": norm}
            loop.log.write(step, {**values, "lr": self.optimizer.param_groups[0]["lr"], "step_seconds": seconds})
            self.progress.update(done, f"loss {values['loss']:.4g}")
        else:
            self.progress.update(done, "")
        if loop.previews is not None and config.preview_every and (done % config.preview_every == 0 or last):
            with torch.no_grad(), loop.timings.measure("previews"):
                self._preview(done)
        if self.flag.requested:
            self.trainer.should_stop = True
        elif config.checkpoint_every and done % config.checkpoint_every == 0 and not last:
            try:
                with loop.timings.measure("checkpoints"):
                    loop.store.save(done, loop.task, self.optimizer, {"skipped": loop.skipped})
            except RunError as problem:
                self.failure = problem
                self.trainer.should_stop = True

    def _preview(self, done: int) -> None:
        from imageio.v3 import imwrite

        picture = self.loop.task.preview(done)
        if picture is not None and self.loop.previews is not None:
            pixels = (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)
            path = self.loop.previews / f"{done:06d}.png"
            imwrite(path, pixels)
            self.loop.log.picture(done, path)


@contextmanager
def _quiet() -> Iterator[None]:
    """Lightning's advice on workers, loggers and devices does not concern our users."""
    names = ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero")
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
