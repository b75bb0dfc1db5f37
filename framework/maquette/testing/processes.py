"""Checks of parts in a child process, so that a crash or an endless loop of a part ends nothing but its own check."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from maquette.testing.report import Outcome, Report
from maquette.testing.targets import Target
from maquette.training.signals import ending_by_signals

POLL_SECONDS = 0.05


@dataclass
class _Progress:
    """What a child process has written about one part."""

    outcomes: list[Outcome] = field(default_factory=list)
    begins: str = ""
    minimum: int = 0
    done: bool = False


def check_apart(targets: Sequence[Target], timeout: float = 120.0) -> list[Report]:
    """Check parts in a child process; another goes on with the rest where one dies or hangs.

    Args:
        targets: the parts.
        timeout: seconds that one check may take.
    """
    reports: list[Report] = []
    while len(reports) < len(targets):
        reports += _run_child(targets[len(reports) :], timeout)
    return reports


def _run_child(targets: Sequence[Target], timeout: float) -> list[Report]:
    """Reports of the first of the targets: all, or up to the one at which the child ended."""
    with tempfile.TemporaryDirectory(prefix="maquette-check-") as name:
        folder = Path(name)
        (folder / "targets.json").write_text(json.dumps([asdict(target) for target in targets]), encoding="utf-8")
        lines, printed = folder / "lines.jsonl", folder / "printed.txt"
        lines.touch()
        command = [sys.executable, "-P", "-m", "maquette.testing.worker", str(folder / "targets.json"), str(lines)]
        with printed.open("wb") as output:
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
            try:
                with ending_by_signals():
                    hung = _wait(child, lines, timeout)
            finally:
                _kill(child)
        progress = _read(lines, len(targets))
        return _reports(targets, progress, _ending(child, hung, timeout, printed))


def _wait(child: subprocess.Popen[bytes], lines: Path, timeout: float) -> bool:
    """Wait for the end of the child; True if it has written nothing for too long."""
    size, since = -1, time.monotonic()
    while child.poll() is None:
        now = lines.stat().st_size
        if now != size:
            size, since = now, time.monotonic()
        elif time.monotonic() - since > timeout:
            return True
        time.sleep(POLL_SECONDS)
    return False


def _kill(child: subprocess.Popen[bytes]) -> None:
    """End the child with all that it has started."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        child.kill()
    child.wait()


def _read(lines: Path, count: int) -> list[_Progress]:
    progress = [_Progress() for _ in range(count)]
    for text in lines.read_text(encoding="utf-8").splitlines():
        line: dict[str, Any] = json.loads(text)
        one = progress[line.pop("part")]
        if "check" in line:
            one.outcomes.append(Outcome(**line))
        one.begins = line.get("begins", one.begins)
        one.minimum = line.get("minimum", one.minimum)
        one.done = line.get("done", one.done)
    return progress


def _ending(child: subprocess.Popen[bytes], hung: bool, timeout: float, printed: Path) -> str:
    """How the child ended, in one line."""
    if hung:
        return f"it does not end within {timeout:g} s"
    code = child.returncode
    last = printed.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
    last_line = f"; it printed last: {last[0][:200]}" if last else ""
    if code < 0:
        return f"it ends the process by {signal.Signals(-code).name}{last_line}"
    return f"it ends the process with exit code {code}{last_line}"


def _reports(targets: Sequence[Target], progress: Sequence[_Progress], ending: str) -> list[Report]:
    reports = []
    for target, one in zip(targets, progress, strict=True):
        outcomes = list(one.outcomes)
        if not one.done:
            outcomes.append(Outcome(one.begins or "import", "failed", ending))
        reports.append(Report(target.kind, target.name, tuple(outcomes), one.minimum))
        if not one.done:
            break
    return reports
