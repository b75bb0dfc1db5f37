"""Base class of stages, and what a run hands them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from maquette.config.schema import MethodConfig
from maquette.data.formats import PosedImages
from maquette.errors import RunError
from maquette.files import display_path
from maquette.scene import Scene
from maquette.training.checkpoints import CheckpointStore
from maquette.training.metrics_log import MetricsLog
from maquette.training.observer import Observer
from maquette.training.run_folder import RunFolder
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
    """

    name: str
    method: MethodConfig
    run: RunFolder
    resume: bool
    artifacts: Artifacts = field(default_factory=Artifacts)
    timings: Timings = field(default_factory=Timings)
    tracker: Tracker = field(default_factory=Tracker)
    observer: Observer | None = None

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

    def previews(self) -> Path:
        """The folder for the stage's preview images."""
        folder = self.run.previews / self.name
        folder.mkdir(exist_ok=True)
        return folder


class Stage(ABC):
    """One stage of a method. `run` executes it; `restore` only loads its results, when a later stage resumes.

    Attributes:
        changeable: patterns of keys of its config that may change when a run resumes that has begun the stage.
    """

    changeable: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def run(self, context: StageContext) -> None:
        """Execute the stage, and put its results into `context.artifacts`."""

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
