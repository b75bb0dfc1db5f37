"""The contract of a stage."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path

from maquette.config.schema import MethodConfig
from maquette.scene import Scene
from maquette.training.checkpoints import CheckpointStore
from maquette.training.metrics_log import MetricsLog
from maquette.training.run_folder import RunFolder
from maquette.training.timings import Timings


@dataclass
class Artifacts:
    """What the stages of a run have made so far.

    Args:
        scene: of the latest stage that made one; None: none did.
        words: files of words that were learned; the text priors of later stages know them.
        models: folder of each trained model, by the name of its stage.
    """

    scene: Scene | None = None
    words: tuple[Path, ...] = ()
    models: dict[str, Path] = field(default_factory=dict)


@dataclass
class StageContext:
    """What a stage is given.

    Args:
        name: the stage's name in the method.
        method: the whole typed configuration.
        run: the run folder.
        resume: whether to go on from this stage's latest checkpoint.
        artifacts: what earlier stages made; a stage adds its own.
        timings: adds up the run's time by part.
    """

    name: str
    method: MethodConfig
    run: RunFolder
    resume: bool
    artifacts: Artifacts = field(default_factory=Artifacts)
    timings: Timings = field(default_factory=Timings)

    def checkpoints(self, keep: int) -> CheckpointStore:
        """The stage's checkpoints."""
        return CheckpointStore(self.run.checkpoints / self.name, keep)

    def metrics(self) -> MetricsLog:
        """The stage's metrics log, cut back to where it resumes."""
        latest = self.checkpoints(keep=1).latest() if self.resume else None
        first = latest.step if latest else 0
        return MetricsLog(self.run.metrics, self.name, first, self.method.logger, self.run.path.name)

    def previews(self) -> Path:
        """The folder for the stage's pictures."""
        folder = self.run.previews / self.name
        folder.mkdir(exist_ok=True)
        return folder


class Stage(ABC):
    """One step of a method. `run` does it; `restore` only brings back what it made, when a later stage resumes."""

    @abstractmethod
    def run(self, context: StageContext) -> None:
        """Do the work; put what was made into `context.artifacts`."""

    def restore(self, context: StageContext) -> None:  # noqa: B027, a stage may have nothing to put back
        """Put what a finished run of this stage made into `context.artifacts`."""
