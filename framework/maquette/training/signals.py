"""Stopping on SIGINT, SIGTERM or SIGHUP: the first ends the step and saves a checkpoint, the second exits at once."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType

_log = logging.getLogger(__name__)

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
SAME_REQUEST_SECONDS = 1.0


def exit_code(number: int) -> int:
    """The exit code of a process that a signal ended, as shells have it.

    Example:
        >>> exit_code(signal.SIGINT), exit_code(signal.SIGTERM)
        (130, 143)
    """
    return 128 + number


class Stopped(SystemExit):
    """The run was stopped by a signal, after writing a checkpoint.

    Args:
        number: of the signal, which gives the exit code.
    """

    def __init__(self, number: int) -> None:
        super().__init__(exit_code(number))


class Interrupted(KeyboardInterrupt):
    """A signal came at a place where there is no step to end and no checkpoint to write, such as an export.

    Attributes:
        exit_code: see `exit_code`.
    """

    def __init__(self, number: int) -> None:
        super().__init__("interrupted")
        self.exit_code = exit_code(number)


class StopFlag:
    """A signal handler that records a request to stop, and the signal that came first.

    `timeout` and some schedulers deliver one request twice, to the process and to its group, so a signal that follows
    within a second belongs to the first. While a checkpoint is written, a second request changes nothing.
    """

    def __init__(self) -> None:
        self.requested = False
        self.number = 0
        self._since = 0.0
        self._saving = False

    @contextmanager
    def saving(self) -> Iterator[None]:
        """Let the block, which writes a checkpoint, end whatever is requested."""
        self._saving = True
        try:
            yield
        finally:
            self._saving = False

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Signal handler: request a stop; exit at once the second time."""
        if self.requested:
            if self._saving:
                _log.info("the checkpoint is being written; the run ends after it")
            elif time.monotonic() - self._since > SAME_REQUEST_SECONDS:
                os._exit(exit_code(number))
            return
        self.requested, self.number, self._since = True, number, time.monotonic()
        _log.info("\nstopping: this step ends, a checkpoint is written (again to stop at once)")


@contextmanager
def stop_flag() -> Iterator[StopFlag]:
    """Handle SIGINT, SIGTERM and SIGHUP inside the block; outside the main thread the flag is never set.

    Signals that the process was started to ignore, as by nohup, stay ignored.
    """
    flag = StopFlag()
    with handled(SIGNALS, flag.handle):
        yield flag


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise `Interrupted` for SIGINT, SIGTERM and SIGHUP inside the block, so that what is open is closed in order."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise Interrupted(number)

    with handled(SIGNALS, interrupt):
        yield


@contextmanager
def ending_by_signals() -> Iterator[None]:
    """Raise SystemExit for SIGTERM and SIGHUP inside the block, for those with child processes to end.

    Ctrl-C reaches the children by itself, and is an exception already.
    """

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(exit_code(number))

    with handled([number for number in SIGNALS if number != signal.SIGINT], end):
        yield


@contextmanager
def handled(signals: Iterable[signal.Signals], handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Let `handler` take the signals inside the block, except those that the process ignores.

    Outside the main thread, which alone receives signals, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in signals}
    taken = [number for number, handler_before in before.items() if handler_before is not signal.SIG_IGN]
    for number in taken:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, before[number])
