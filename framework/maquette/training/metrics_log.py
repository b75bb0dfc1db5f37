"""The metrics of a run's stages: one JSON object per line, and a tracker beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from maquette.files import write_atomically
from maquette.training.trackers import Tracker


class MetricsLog:
    """Appends the metrics of one stage to `metrics.jsonl`.

    Args:
        path: the file.
        stage: the stage's name.
        tracker: receives the same values.
        steps_before: steps of the stages before, which the tracker's axis of steps begins after.
    """

    def __init__(self, path: Path, stage: str, tracker: Tracker | None = None, steps_before: int = 0) -> None:
        self.stage = stage
        self._tracker, self._steps_before = tracker or Tracker(), steps_before
        self._stream = path.open("a", encoding="utf-8")

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Log the values of one step."""
        row = {"stage": self.stage, "step": step, **{name: float(f"{value:.6g}") for name, value in values.items()}}
        self._stream.write(json.dumps(row) + "\n")
        self._stream.flush()
        self._tracker.log({f"{self.stage}/{name}": value for name, value in values.items()}, self._steps_before + step)

    def picture(self, step: int, path: Path) -> None:
        """Hand the preview image at `path` to the tracker; `metrics.jsonl` has no images."""
        self._tracker.picture(f"{self.stage}/preview", path, self._steps_before + step)

    def close(self) -> None:
        """Flush and close."""
        with suppress(OSError):  # what could not be flushed was an error when it was written
            self._stream.close()


def trim_metrics(path: Path, steps: Mapping[str, int]) -> None:
    """Cut `metrics.jsonl` back to what a resumed run will not write again, in one atomic replacement.

    Args:
        path: the file; it need not exist.
        steps: stage -> number of steps that it resumes after. Lines of other stages are dropped, as are broken lines.
    """
    if not path.is_file():
        return
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    write_atomically(path, "".join(line + "\n" for line in lines if _stays(line, steps)))


def _stays(line: str, steps: Mapping[str, int]) -> bool:
    try:
        row = json.loads(line)
        return row["step"] < steps.get(row["stage"], 0)
    except (ValueError, KeyError, TypeError):
        return False  # the last line of a killed run may be cut short
