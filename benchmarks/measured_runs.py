"""Runs of methods, most of which end with an evaluation: run once, reused afterwards, and read."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

EVALUATION = "evaluate.json"  # what a final stage `evaluate` exports


def run_once(folder: Path, method: str, data: dict[str, Any], words: Sequence[str]) -> Path:
    """The finished run in `folder`; runs the method if there is none.

    Args:
        data: config of the data that a final stage `evaluate` compares the result with.
        words: further words of the command line.
    """
    evaluate = json.dumps({"type": "evaluate", "data": data})
    return run_method(folder, method, ["~stages.export", f"stages.evaluate={evaluate}", *words], EVALUATION)


def run_method(folder: Path, method: str, words: Sequence[str], result: str) -> Path:
    """The finished run in `folder`; runs the method if there is none.

    Args:
        words: further words of the command line.
        result: file that the run exports last.

    Raises:
        CalledProcessError: the run failed.
    """
    return _once(folder, ["run", method, f"output={folder}", *words], result)


def train_once(folder: Path, recipe: str, words: Sequence[str], result: str) -> Path:
    """The finished training in `folder`; begun, or gone on with, if there is none.

    Args:
        words: further words of the command line.
        result: file that the training exports last.

    Raises:
        CalledProcessError: the training failed.
    """
    begun = sorted(folder.glob("*/*/*/config.yaml"))
    return _once(
        folder, ["resume", str(begun[-1].parent)] if begun else ["train", recipe, f"output={folder}", *words], result
    )


def _once(folder: Path, command: Sequence[str], result: str) -> Path:
    """The finished run in `folder`, which the command makes if there is none."""
    if (run := finished(folder, result)) is not None:
        return run
    subprocess.run([sys.executable, "-m", "maquette", *command], check=True)
    run = finished(folder, result)
    assert run is not None, f"{folder}: the run has no export/{result}"
    return run


def finished(folder: Path, result: str = EVALUATION) -> Path | None:
    """The latest run in `folder` that exported `result`."""
    runs = [path.parent.parent for path in folder.glob(f"*/*/*/export/{result}")]
    return max(runs, key=lambda path: path.stat().st_mtime, default=None)


def spent(run: Path, stages: Sequence[str] = ()) -> dict[str, float]:
    """Wall-clock and CPU seconds of stages of a run: of those named, or of all."""
    times = json.loads((run / "manifest.json").read_text())["times"]
    names = [f"stage {name}" for name in stages] or [name for name in times if name.startswith("stage ")]
    return {
        "seconds": round(sum(times[name]["wall_seconds"] for name in names), 1),
        "cpu_seconds": round(sum(times[name]["cpu_seconds"] for name in names), 1),
    }


def measured(run: Path) -> dict[str, float]:
    """Means over the evaluated views, wall-clock and CPU seconds, and peak memory of the run."""
    report = json.loads((run / "export" / "evaluate.json").read_text())
    manifest = json.loads((run / "manifest.json").read_text())
    figures = {name: round(value, 4) for name, value in report.items() if name != "views"}
    return figures | spent(run) | {"peak_memory_mb": manifest["peak_memory_mb"]}
