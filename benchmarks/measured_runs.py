"""Runs that end with an evaluation: run once, reused afterwards, and read."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FIGURES = ("psnr", "ssim", "silhouette_iou")


def run_once(folder: Path, method: str, data: dict[str, Any], words: Sequence[str]) -> Path:
    """The finished run in `folder`; runs the method if there is none.

    Args:
        data: config of the data that a final stage `evaluate` compares the result with.
        words: further words of the command line.
    """
    if (run := finished(folder)) is not None:
        return run
    evaluate = {"type": "evaluate", "data": data}
    command = [
        sys.executable, "-m", "maquette", "run", method, f"output={folder}", "~stages.export",
        f"stages.evaluate={json.dumps(evaluate)}", *words,
    ]  # fmt: skip
    subprocess.run(command, check=True)
    done = finished(folder)
    assert done is not None
    return done


def finished(folder: Path) -> Path | None:
    """The latest finished run in `folder`."""
    runs = [path.parent.parent for path in folder.glob("*/*/*/export/evaluate.json")]
    return max(runs, key=lambda path: path.stat().st_mtime, default=None)


def measured(run: Path) -> dict[str, float]:
    """Means over the evaluated views, wall-clock and CPU seconds, and peak memory of the run."""
    report = json.loads((run / "export" / "evaluate.json").read_text())
    manifest = json.loads((run / "manifest.json").read_text())
    figures = {name: round(report[name], 4) for name in FIGURES}
    stages = [times for name, times in manifest["times"].items() if name.startswith("stage ")]
    spent = {
        "seconds": round(sum(times["wall_seconds"] for times in stages), 1),
        "cpu_seconds": round(sum(times["cpu_seconds"] for times in stages), 1),
    }
    return figures | spent | {"peak_memory_mb": manifest["peak_memory_mb"]}
