"""Runs `maquette` and interrupts it at one of its write events: `python interrupt_at.py FOLDER EVENT ACTION run ...`.

A write event is the opening of a file in FOLDER for writing, or a folder made, a file or folder renamed or removed
there. ACTION is KILL, TERM, INT, HUP, INT-TWICE (the second after more than a second), FULL (the disk is full from
then on), or COUNT, which interrupts nothing and prints the number of events.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir")
FULL_FOR = ("open", "os.mkdir")  # what a full disk refuses
SECOND_AFTER = 1.3  # seconds; within one second two signals count as one request


class Interrupter:
    """An audit hook that acts at the write event of a number."""

    def __init__(self, folder: Path, number: int, action: str) -> None:
        self.folder, self.number, self.action = str(folder.resolve()) + os.sep, number, action
        self.count = 0

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._is_write(event, arguments):
            return
        self.count += 1
        if self.action == "FULL" and self.count >= self.number and event in FULL_FOR:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(arguments[0]))
        if self.count == self.number and self.action not in ("FULL", "COUNT"):
            self._interrupt()

    def _is_write(self, event: str, arguments: tuple[Any, ...]) -> bool:
        if event not in CHANGES and not (event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITES):
            return False
        path = arguments[0]
        return isinstance(path, (str, os.PathLike)) and os.path.abspath(path).startswith(self.folder)

    def _interrupt(self) -> None:
        name, _, twice = self.action.partition("-")
        number = signal.Signals[f"SIG{name}"]
        if twice:
            second = threading.Timer(SECOND_AFTER, os.kill, (os.getpid(), number))
            second.daemon = True  # a process that ends before does not wait for it
            second.start()
        os.kill(os.getpid(), number)


def main() -> None:
    folder, number, action, *words = sys.argv[1:]
    for name in ("SIGINT", "SIGHUP"):  # what a background job inherits as ignored
        signal.signal(signal.Signals[name], signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL)
    from maquette.cli.app import app

    hook = Interrupter(Path(folder), int(number), action)
    sys.addaudithook(hook)
    sys.argv[1:] = words
    try:
        app()
    finally:
        if action == "COUNT":
            print(f"write events: {hook.count}")


if __name__ == "__main__":
    main()
