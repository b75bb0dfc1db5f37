"""Runs that end by measuring themselves: made once, found again, and read."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FIGURES = ("psnr", "ssim", "silhouette_iou")


def run_once(folder: Path, method: str, data: dict[str, Any], words: Sequence[str]) -> Path:
    """The finished run in `folder`; made now if there is none.

    Args:
        data: the known views that a last stage, `evaluate`, compares the result with.
        words: what else stands on the command line.
    """
    if (found := finished(folder)) is not None:
        return found
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
    found = [path.parent.parent for path in folder.glob("*/*/*/export/evaluate.json")]
    return max(found, key=lambda path: path.stat().st_mtime, default=None)


def measured(place: Path) -> dict[str, float]:
    """Means over the known views, and what the run took: seconds on the clock, and of the CPU."""
    report = json.loads((place / "export" / "evaluate.json").read_text())
    manifest = json.loads((place / "manifest.json").read_text())
    figures = {name: round(report[name], 4) for name in FIGURES}
    stages = [times for name, times in manifest["times"].items() if name.startswith("stage ")]
    spent = {
        "seconds": round(sum(times["wall_seconds"] for times in stages), 1),
        "cpu_seconds": round(sum(times["cpu_seconds"] for times in stages), 1),
    }
    return figures | spent | {"peak_memory_mb": manifest["peak_memory_mb"]}
