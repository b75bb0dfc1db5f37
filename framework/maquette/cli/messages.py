"""Prints the library's log messages on the command line."""

from __future__ import annotations

import io
import logging
import os
import sys


class MessageHandler(logging.Handler):
    """Writes messages as plain lines to standard output, and warnings and errors to standard error.

    The streams are looked up for each message, so that redirections take effect.
    """

    def emit(self, record: logging.LogRecord) -> None:
        grave = record.levelno >= logging.WARNING
        try:
            line = f"{record.levelname.lower()}: {self.format(record)}" if grave else self.format(record)
            print(line, file=sys.stderr if grave else sys.stdout, flush=True)
        except Exception:  # a closed pipe must not stop a run of hours
            self.handleError(record)


def show_messages() -> None:
    """Print maquette's log messages from INFO on, with MAQUETTE_DEBUG set from DEBUG on. Idempotent.

    Letters that the console's encoding lacks are printed as escapes; they end no run.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    logger = logging.getLogger("maquette")
    logger.setLevel(logging.DEBUG if os.environ.get("MAQUETTE_DEBUG") else logging.INFO)
    if not any(isinstance(handler, MessageHandler) for handler in logger.handlers):
        logger.addHandler(MessageHandler())
