"""What the library logs, shown to whoever runs a command."""

from __future__ import annotations

import logging
import os
import sys


class MessageHandler(logging.Handler):
    """Writes messages as plain lines to standard output, and warnings and errors to standard error.

    The streams are looked up for each message, so that it follows whoever redirects them.
    """

    def emit(self, record: logging.LogRecord) -> None:
        grave = record.levelno >= logging.WARNING
        try:
            line = f"{record.levelname.lower()}: {self.format(record)}" if grave else self.format(record)
            print(line, file=sys.stderr if grave else sys.stdout, flush=True)
        except Exception:  # a closed pipe must not stop a run of hours
            self.handleError(record)


def show_messages() -> None:
    """Show what maquette logs; with MAQUETTE_DEBUG set, its choices in detail too. A second call changes nothing."""
    logger = logging.getLogger("maquette")
    logger.setLevel(logging.DEBUG if os.environ.get("MAQUETTE_DEBUG") else logging.INFO)
    if not any(isinstance(handler, MessageHandler) for handler in logger.handlers):
        logger.addHandler(MessageHandler())
