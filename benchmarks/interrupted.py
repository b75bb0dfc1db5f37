"""Interrupting runs and going on with them: whether they end with the same bits as a run that nobody interrupted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

HERE = Path(__file__).parent
METHODS: dict[str, list[str]] = {
    "dreamfusion": [
        "dreamfusion", "prompt=a red mug", "prior=nano", "stages.nerf.steps=8", "stages.nerf.loop.checkpoint_every=3",
        "stages.nerf.loop.log_every=1", "stages.nerf.loop.preview_every=4",
    ],
    "dreamgaussian": [
        "dreamgaussian", "prompt=a red mug", "prior=nano", "stages.gaussians.steps=6", "stages.texture.steps=4",
        "stages.gaussians.loop={checkpoint_every: 3, log_every: 1}",
        "stages.texture.loop={checkpoint_every: 3, log_every: 1}",
    ],
    "magic123": [
        "magic123", "image={inputs}/mug.png", "prompt=a red mug", "prior=nano", "stages.word.steps=3",
        "stages.coarse.steps=4", "stages.fine.steps=3", "stages.coarse.loop={checkpoint_every: 2, log_every: 1}",
        "stages.fine.loop={checkpoint_every: 2, log_every: 1}",
    ],
}  # fmt: skip
EXPORT = [
    "stages.export.exporters.mesh={resolution: 24, texture_size: 64, max_faces: 500}",
    "stages.export.exporters.turntable={frames: 4, size: 32}", "stages.export.exporters.contact-sheet={size: 32}",
]  # fmt: skip
LEFT_OVER = (".tmp", ".new-", ".lock", ".writer")
VARIES = ("step_seconds",)  # in metrics.jsonl


def words_of(method: str, output: Path, inputs: Path) -> list[str]:
    """Arguments of `maquette` that run a method small, into `output`."""
    words = [word.replace("{inputs}", str(inputs)) for word in METHODS[method]]
    return ["run", *words, *EXPORT, "seed=0", f"output={output}"]


def maquette(words: Sequence[str], interrupt: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """Run `maquette`, on one thread; with `interrupt` = folder, event and action, under `interrupt_at.py`."""
    command = [str(HERE / "interrupt_at.py"), *interrupt] if interrupt else ["-m", "maquette"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, *command, *words], capture_output=True, text=True, env=environment)


def run_folder(output: Path) -> Path | None:
    """The one run below an output folder; None: it was not made."""
    folders = [path.parent for path in output.glob("*/*/*/config.yaml") if not path.parent.name.startswith(".")]
    return folders[0] if folders else None


def go_on(words: Sequence[str], output: Path) -> subprocess.CompletedProcess[str]:
    """Resume the run below `output`, or start it again where it did not come to exist."""
    run = run_folder(output)
    return maquette(["resume", str(run)] if run else words)


def compare_after(
    first: subprocess.CompletedProcess[str], words: Sequence[str], output: Path, expected: dict[str, Any]
) -> list[str]:
    """Go on with an interrupted run; what is wrong with how it was interrupted, went on and ended."""
    second = go_on(words, output)
    run = run_folder(output)
    problems = [f"traceback: {line}" for done in (first, second) for line in lines_with_traceback(done)]
    if second.returncode or run is None:
        return [*problems, f"not resumed: {(second.stderr or second.stdout).strip().splitlines()[-1:]}"]
    problems += [f"differs: {name}" for name in differences(expected, state_of(run))]
    return problems + [f"left behind: {name}" for name in left_over(output)]


def state_of(run: Path) -> dict[str, Any]:
    """All that a finished run ends with, by name: tensors, states of random generators, metrics and exported files."""
    state: dict[str, Any] = {}
    for stage in sorted((run / "checkpoints").iterdir()):
        last = max(stage.glob("step-*"))
        for name in ("model", "optimizer", "random"):
            tensors = load_file(last / f"{name}.safetensors")
            state |= {f"{stage.name}/{name}/{key}": value for key, value in tensors.items()}
        state[f"{stage.name}/state"] = json.loads((last / "state.json").read_text())
    for path in sorted((run / "export").rglob("*")):
        if path.is_file():
            state[f"export/{path.relative_to(run / 'export')}"] = path.read_bytes()
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    state["metrics"] = [{key: value for key, value in row.items() if key not in VARIES} for row in rows]
    return state


def differences(first: dict[str, Any], second: dict[str, Any]) -> list[str]:
    """Names of what differs between two states."""
    return [name for name in sorted(first.keys() | second.keys()) if not _same(first.get(name), second.get(name))]


def left_over(output: Path) -> list[str]:
    """Names of temporary files below a folder."""
    return [str(path.relative_to(output)) for path in output.rglob("*") if _is_temporary(path)]


def lines_with_traceback(done: subprocess.CompletedProcess[str]) -> Iterator[str]:
    """Lines of an output that belong to a traceback."""
    return (line for line in (done.stdout + done.stderr).splitlines() if "Traceback (most recent call last)" in line)


def _is_temporary(path: Path) -> bool:
    return path.name.startswith(LEFT_OVER) or (path.name.startswith(".") and ".tmp" in path.name)


def _same(first: Any, second: Any) -> bool:
    if isinstance(first, np.ndarray) and isinstance(second, np.ndarray):
        return first.dtype == second.dtype and first.shape == second.shape and first.tobytes() == second.tobytes()
    return type(first) is type(second) and first == second
