"""Processes that make films, killed at random moments: what they leave, and what it is compared with."""

from __future__ import annotations

import hashlib
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

KILLS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM)
LONGEST = 900  # seconds that a process is waited for


def maquette(*words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "maquette", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def folder_of(output: Path) -> Path | None:
    return next((path.parent for path in output.glob("*/*/*/config.yaml")), None)


def pieces(output: Path) -> int:
    return len(list(output.glob("*/*/*/checkpoints/*/pieces/*/[0-9]*.mp4")))


def digests(run: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted((run / "export").iterdir())}


def kill_after(process: subprocess.Popen[str], output: Path, more: int, number: signal.Signals) -> None:
    """End a process once it has made some more pieces, and a moment later; or let it end by itself."""
    target, started = pieces(output) + more, time.monotonic()
    while process.poll() is None and pieces(output) < target and time.monotonic() - started < LONGEST:
        time.sleep(0.02)
    time.sleep(random.Random(more).uniform(0, 0.2))
    process.send_signal(number)
    process.wait(LONGEST)


def check_killed(whole: Sequence[str], killed: Sequence[str], outputs: tuple[Path, Path], files: int) -> None:
    """Run a method to its end, and again with kills; both have to leave the same bytes, and no pieces.

    Args:
        whole, killed: words of the command line of both.
        outputs: their folders of runs.
        files: that are exported.
    """
    process = maquette(*whole)
    assert process.wait(LONGEST) == 0, process.communicate()[0]
    process = maquette(*killed)
    for count, number in enumerate(KILLS):
        kill_after(process, outputs[1], 2 + 3 * count, number)
        run = folder_of(outputs[1])
        assert run is not None
        process = maquette("resume", str(run))
    assert process.wait(LONGEST) == 0, process.communicate()[0]
    reference = folder_of(outputs[0])
    assert reference is not None and run is not None
    assert digests(run) == digests(reference) and len(digests(run)) == files
    left = [path.name for path in run.rglob("*") if path.name.startswith(".") and ".tmp" in path.name]
    assert not left and not pieces(outputs[1])
