"""Stopping on SIGINT or SIGTERM: the first ends the step and saves a checkpoint, the second exits at once."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_log = logging.getLogger(__name__)

SIGNALS = (signal.SIGINT, signal.SIGTERM)
SAME_REQUEST_SECONDS = 1.0
STOPPED = 143
"""Exit code of a run that was stopped by a signal and saved a checkpoint."""


class Stopped(SystemExit):
    """The run was stopped by a signal, after writing a checkpoint."""

    def __init__(self) -> None:
        super().__init__(STOPPED)


class StopFlag:
    """A signal handler that records a request to stop.

    `timeout` and some schedulers deliver one request twice, to the process and to its group, so a signal that follows
    within a second belongs to the first.
    """

    def __init__(self) -> None:
        self.requested = False
        self._since = 0.0

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Signal handler: request a stop; exit at once the second time."""
        if self.requested:
            if time.monotonic() - self._since > SAME_REQUEST_SECONDS:
                os._exit(128 + number)
            return
        self.requested, self._since = True, time.monotonic()
        _log.info("\nstopping: this step ends, a checkpoint is written (again to stop at once)")


@contextmanager
def stop_flag() -> Iterator[StopFlag]:
    """Handle SIGINT and SIGTERM inside the block; outside the main thread the flag is never set."""
    flag = StopFlag()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        signal.signal(number, flag.handle)
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
