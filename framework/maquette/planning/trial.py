"""A trial of a run: everything that the run needs is loaded, and each stage takes a few steps in a temporary folder.

The measured step is half way through schedules in percent, and at the start of those in steps. Of films the first
frames are made. A stage without steps or frames, such as export, is not tried. Stages after one that samples views get
stand-ins for these, a grey ball from the same cameras, as a sampler's first step shows nothing yet.
"""

from __future__ import annotations

import dataclasses
import json
import tempfile
import time
from dataclasses import dataclass, replace
from typing import Any

import torch

from maquette.cameras.base import Cameras
from maquette.config.loading import ResolvedConfig
from maquette.config.parts import PartSpec, plain
from maquette.data.formats import PosedImages, Split
from maquette.errors import MaquetteError
from maquette.images.picture import Picture
from maquette.kernels.devices import limit_threads
from maquette.pipeline import check_devices, check_needs
from maquette.planning.earlier import steps_of
from maquette.randomness import Draws, seed_global_generators
from maquette.stages.base import Pace, StageContext
from maquette.stages.guidance import build_request
from maquette.stages.sample import Sample, sample_each
from maquette.training.manifest import peak_gpu_memory_mb, peak_memory_mb
from maquette.training.run_folder import RunFolder

STEPS = 2  # of a stage: the first compiles kernels and fills caches, the last is measured
BALL = 0.6  # radius of the stand-in object, scene units
QUIET = {"log_every": 1, "preview_every": 0, "checkpoint_every": 0}


@dataclass(frozen=True)
class StageTrial:
    """The trial of one stage.

    Args:
        name, type: of the stage.
        steps: that the run will take, or frames that it will make.
        step_seconds: wall time of the last step tried; None: it was not tried.
        setup_seconds: wall time of the trial beside this and the other steps.
        peak_memory_mb: of the process, up to the end of the stage.
        problem: why it was not tried; "" if it was.
    """

    name: str
    type: str
    steps: int
    step_seconds: float | None
    setup_seconds: float
    peak_memory_mb: float
    problem: str = ""

    @property
    def seconds(self) -> float | None:
        """Expected wall time of the stage; None: it was not tried."""
        return None if self.step_seconds is None else self.setup_seconds + self.step_seconds * self.steps


@dataclass(frozen=True)
class Trial:
    """The trial of a run: its stages, and the peak memory of each GPU in MB."""

    method: str
    stages: tuple[StageTrial, ...]
    peak_gpu_memory_mb: dict[str, dict[str, float]]

    @property
    def seconds(self) -> float:
        """Expected wall time of the stages that were tried."""
        return sum(stage.seconds or 0.0 for stage in self.stages)

    def to_plain(self) -> dict[str, Any]:
        """The trial as JSON data."""
        stages = [{**dataclasses.asdict(stage), "seconds": stage.seconds} for stage in self.stages]
        return {**dataclasses.asdict(self), "stages": stages, "seconds": self.seconds}


def try_method(resolved: ResolvedConfig) -> Trial:
    """Load what a run needs and take a few steps of each stage; nothing is left behind.

    Raises:
        MaquetteError: the first stage fails, as it would in a run.
    """
    limit_threads()
    check_devices(resolved)
    check_needs(resolved)
    method, trials = resolved.method, list[StageTrial]()
    with tempfile.TemporaryDirectory(prefix="maquette-dry-run-") as folder:
        run = RunFolder.create(folder, method.name, "dry run", resolved.to_yaml())
        context = StageContext("", replace(method, output=folder), run, resume=False)
        for name, spec in method.stages.items():
            context.name = name
            seed_global_generators(method.seed, name)
            trials.append(_try_stage(name, spec, context, first=not trials))
    return Trial(method.name, tuple(trials), peak_gpu_memory_mb())


def _try_stage(name: str, spec: PartSpec, context: StageContext, first: bool) -> StageTrial:
    steps = steps_of(plain(spec))
    started = time.perf_counter()
    try:
        pace = _pace(spec, context, steps)
    except MaquetteError as problem:
        if first:
            raise
        return StageTrial(name, spec.name, steps, None, 0.0, peak_memory_mb(), str(problem))
    if pace is None or not pace.seconds:
        return StageTrial(name, spec.name, steps, None, 0.0, peak_memory_mb(), "it has no steps")
    setup = max(time.perf_counter() - started - sum(pace.seconds), 0.0)
    return StageTrial(name, spec.name, pace.count, round(pace.seconds[-1], 4), round(setup, 3), peak_memory_mb())


def _pace(spec: PartSpec, context: StageContext, steps: int) -> Pace | None:
    """Try a stage out; None: it makes nothing step by step."""
    stage = spec.build()
    if not steps:
        return stage.try_out(context)
    return Pace(steps, tuple(_sampling(spec, context) if isinstance(stage, Sample) else _stepping(spec, context)))


def _stepping(spec: PartSpec, context: StageContext) -> list[float]:
    """Seconds of each step of a stage that optimises or trains."""
    config = spec.config
    changes: dict[str, Any] = {"steps": min(STEPS, config.steps), "loop": replace(config.loop, **QUIET)}
    if hasattr(config, "texture_size"):
        changes["texture_size"] = 0  # painting it is no step
    if hasattr(config, "learner"):
        changes["learner"] = _briefly_evaluated(config.learner)
    replace(spec, config=replace(config, **changes)).build().run(context)
    rows = [json.loads(line) for line in context.run.metrics.read_text(encoding="utf-8").splitlines()]
    return [float(row["step_seconds"]) for row in rows if row["stage"] == context.name]


def _briefly_evaluated(learner: PartSpec) -> PartSpec:
    """A learner that evaluates and samples as little as it can."""
    least = {"evaluated": 1, "sample_steps": 1}
    changes = {name: value for name, value in least.items() if hasattr(learner.config, name)}
    return replace(learner, config=replace(learner.config, **changes))


def _sampling(spec: PartSpec, context: StageContext) -> list[float]:
    """Seconds of sampling steps; leaves stand-ins for the views."""
    config, seed = spec.config, context.method.seed
    data = config.data.build() if config.data is not None else None
    if data is not None:
        data.prepare(torch.device("cpu"))
    request = build_request(context.method, data, context.artifacts.words)
    cameras, prior = config.views(seed), config.prior.build()
    seconds = []
    for steps in (1, STEPS):
        started = time.perf_counter()
        sampling = replace(config.sampling, steps=steps)
        views = sample_each(
            context.name, config.prior, prior, request, cameras, config.score.build(), sampling, [Draws(seed, 0)],
            config.batch,
        )  # fmt: skip
        seconds.append((time.perf_counter() - started) / steps)
    context.artifacts.views = ball_views(cameras.resized(*views[0].shape[1:3]))
    return seconds


def ball_views(cameras: Cameras) -> PosedImages:
    """Views of a grey ball about the origin, from cameras that look at it."""
    rows, columns = torch.arange(cameras.height) + 0.5, torch.arange(cameras.width) + 0.5
    squared = (rows[:, None] - cameras.height / 2) ** 2 + (columns - cameras.width / 2) ** 2
    distance = cameras.distance.clamp(min=1.1 * BALL)
    radius = cameras.focal * BALL / (distance**2 - BALL**2).sqrt()  # of its outline, pixels
    alpha = (squared[None] < radius[:, None, None] ** 2).float()[..., None]
    names = tuple(f"view-{number}" for number in range(len(cameras)))
    picture = Picture(torch.full((*alpha.shape[:3], 3), 0.5), alpha)
    train: Split = "train"
    return PosedImages(picture, cameras, (train,) * len(names), names)
