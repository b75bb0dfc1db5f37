"""Base class of stages, and what a run hands them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from maquette.config.capabilities import SAMPLED_VIEWS
from maquette.config.parts import DataSpec
from maquette.config.schema import MethodConfig
from maquette.data.base import Data
from maquette.data.formats import PosedImages
from maquette.errors import ConfigError, RunError
from maquette.files import display_path
from maquette.scene import Scene
from maquette.training.checkpoints import CheckpointStore
from maquette.training.loop import Loop
from maquette.training.metrics_log import MetricsLog
from maquette.training.observer import Observer
from maquette.training.run_folder import RunFolder
from maquette.training.settings import LoopConfig
from maquette.training.task import Task
from maquette.training.timings import Timings
from maquette.training.trackers import Tracker


@dataclass
class Artifacts:
    """Results of the stages that a run has finished.

    Args:
        scene: scene of the latest stage that made one; None: no stage did.
        views: posed pictures of the latest stage that sampled some; None: no stage did.
        words: files of learned words (textual inversion), for the text priors of later stages.
        models: stage name -> folder of its trained model.
    """

    scene: Scene | None = None
    views: PosedImages | None = None
    words: tuple[Path, ...] = ()
    models: dict[str, Path] = field(default_factory=dict)


@dataclass
class StageContext:
    """The run that a stage belongs to: configuration, run folder, artifacts of earlier stages.

    Args:
        name: the stage's name in the method.
        method: the whole typed configuration.
        run: the run folder.
        resume: continue from this stage's latest checkpoint.
        artifacts: results of earlier stages; a stage adds its own.
        timings: adds up the run's time by part.
        tracker: receives metrics besides the run folder.
        observer: looks at stages that step, between their steps; None: nobody does.
        ended_early: stage -> the step that a stopping criterion ended it at, of how many, and why.
    """

    name: str
    method: MethodConfig
    run: RunFolder
    resume: bool
    artifacts: Artifacts = field(default_factory=Artifacts)
    timings: Timings = field(default_factory=Timings)
    tracker: Tracker = field(default_factory=Tracker)
    observer: Observer | None = None
    ended_early: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def _steps_before(self) -> int:
        """Steps of all stages before this one, so that trackers have one axis of steps."""
        names = list(self.method.stages)
        before = names[: names.index(self.name)] if self.name in names else []
        return sum(int(getattr(self.method.stages[name].config, "steps", 0)) for name in before)

    def checkpoints(self, keep: int) -> CheckpointStore:
        """The stage's checkpoints, of which the latest `keep` are kept."""
        return self.run.store(self.name, keep)

    def metrics(self) -> MetricsLog:
        """The stage's metrics log."""
        return MetricsLog(self.run.metrics, self.name, self.tracker, self._steps_before)

    def build_data(self, spec: DataSpec) -> Data:
        """The stage's data, with the pictures that an earlier stage sampled if it needs them.

        Raises:
            ConfigError: it needs them and there are none.
        """
        if SAMPLED_VIEWS not in spec.capabilities.needs:
            return spec.build()
        if self.artifacts.views is None:
            raise ConfigError(
                f"data {spec.name!r} gives the pictures of an earlier stage, and none has sampled any",
                key=f"stages.{self.name}.data",
                hint="put a stage of type sample before this one, or give pictures of your own: {type: posed-images}",
            )
        return spec.build(views=self.artifacts.views)

    def train(self, task: Task, steps: int, config: LoopConfig) -> None:
        """Train a task in the stage's loop, and record it where that ends early.

        Raises:
            Stopped: by a signal, after writing a checkpoint.
            RunError: a loss or gradient is not finite, or a checkpoint cannot be read or written.
        """
        loop = Loop(
            self.name, task, steps, config, self.method.seed, self.checkpoints(config.keep_checkpoints),
            self.metrics(), self.previews(), self.timings, observer=self.observer,
            callback_files=self.run.callbacks / self.name,
        )  # fmt: skip
        loop.run(self.resume)
        if loop.ended:
            self.ended_early[self.name] = {"step": loop.done, "steps": steps, "reason": loop.ended}

    def previews(self) -> Path:
        """The folder for the stage's preview images."""
        folder = self.run.previews / self.name
        folder.mkdir(exist_ok=True)
        return folder


@dataclass(frozen=True)
class Pace:
    """How long a stage will take.

    Args:
        count: what it makes one after the other, such as steps or frames.
        seconds: that each of the first ones took.
    """

    count: int
    seconds: tuple[float, ...]


class Stage(ABC):
    """One stage of a method. `run` executes it; `restore` only loads its results, when a later stage resumes.

    Attributes:
        changeable: patterns of keys of its config that may change when a run resumes that has begun the stage.
    """

    changeable: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def run(self, context: StageContext) -> None:
        """Execute the stage, and put its results into `context.artifacts`."""

    def check_inputs(self, name: str) -> None:  # noqa: B027, a stage may have nothing to check
        """Check the files and prompts that the stage, of that name, is to work on; called before a run folder is made.

        Raises:
            ConfigError: something is missing, or cannot be used.
        """

    def try_out(self, context: StageContext) -> Pace | None:
        """Make the first frames of a stage that makes frames in place of steps, in a run folder that is thrown away.

        Returns:
            None: the stage makes none.

        Raises:
            MaquetteError: the run would fail.
        """
        return None

    def restore(self, context: StageContext) -> None:  # noqa: B027, a stage may have no results
        """Load the results of a finished run of this stage into `context.artifacts`."""

    def warm_up(self) -> None:  # noqa: B027, a stage may run no kernels
        """Run the kernels of this stage once on something tiny, so that they are compiled."""

    def restore_stopped(self, context: StageContext) -> int:
        """Load what a stopped run of this stage has saved into `context.artifacts`.

        Returns:
            The step that was saved last; 0: nothing that another command could use.
        """
        return 0


def no_checkpoints(context: StageContext) -> RunError:
    """The error that a finished stage has no checkpoint any more."""
    run = display_path(context.run.path)
    return RunError(
        f"the checkpoints of stage {context.name!r} are gone from {run}; "
        f"make the run again with: maquette run {display_path(context.run.config)}"
    )
