"""Training progress with an ETA: a live bar on a terminal or in a notebook, occasional lines in a log."""

from __future__ import annotations

import sys
import time
from contextlib import suppress

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

LOG_EVERY_SECONDS = 15.0
NOTEBOOK_EVERY_SECONDS = 0.5
BAR = 24  # characters of a notebook's bar


def in_notebook() -> bool:
    """Whether the code runs in a notebook's cell, whose output takes back a line by a carriage return."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return type(shell).__name__ in ("ZMQInteractiveShell", "Shell")  # Jupyter's and Colab's


class StepProgress:
    """Prints `done` of `total` steps of a stage, with the latest figures."""

    def __init__(self, title: str, total: int, done: int = 0) -> None:
        self.title, self.total, self._first = title, total, done
        self._started = self._last_print = time.monotonic()
        self._notebook, self._widest = in_notebook(), 0
        self._bar: Progress | None = None
        if sys.stderr.isatty():
            columns = (
                TextColumn("[bold]{task.description}"), BarColumn(), MofNCompleteColumn(),
                TimeElapsedColumn(), TextColumn("eta"), TimeRemainingColumn(), TextColumn("{task.fields[figures]}"),
            )  # fmt: skip
            self._bar = Progress(*columns, console=Console(stderr=True))
            self._task = self._bar.add_task(title, total=total, completed=done, figures="")
            self._bar.start()

    def update(self, done: int, figures: str) -> None:
        """Set the number of finished steps."""
        if self._bar is not None:
            self._bar.update(self._task, completed=done, figures=figures)
            return
        now = time.monotonic()
        every = NOTEBOOK_EVERY_SECONDS if self._notebook else LOG_EVERY_SECONDS
        if now - self._last_print >= every or done == self.total:
            self._last_print = now
            rate = (done - self._first) / max(now - self._started, 1e-9)
            eta = (self.total - done) / max(rate, 1e-9)
            line = (
                f"{self.title}: {done}/{self.total}  {rate:.1f} steps/s  eta {int(eta // 60)}:{int(eta % 60):02d}"
                f"  {figures}"
            )
            with suppress(OSError):  # the terminal may be gone
                self._print(line, done)

    def _print(self, line: str, done: int) -> None:
        if not self._notebook:
            print(line, file=sys.stderr, flush=True)
            return
        full = BAR * done // max(self.total, 1)
        line = f"{'█' * full}{'░' * (BAR - full)} {line}"
        print(f"\r{line:<{self._widest}}", end="\n" if done == self.total else "", flush=True)
        self._widest = max(self._widest, len(line))

    def close(self) -> None:
        """Stop the live bar."""
        if self._bar is not None:
            self._bar.stop()
