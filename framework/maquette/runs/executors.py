"""Executors of jobs: each in a process of its own, or one after the other in this one."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol

from maquette.errors import MaquetteError
from maquette.runs.failures import Failure, Limits, classify

Start = tuple[list[str], Path]
"""Words of the command line that begin or resume a run, and the file that it logs to."""


class Workers(Protocol):
    """What makes several runs at a time, each of which a thread waits for.

    Attributes:
        stopped: no other run begins.
        keeps_runs: it copies the folders of its runs to storage itself, where they are made.
    """

    stopped: bool
    keeps_runs: bool

    def attempt(self, start: Start, limits: Limits) -> Failure | None:
        """Make a run, and wait for it; why it failed, or None."""
        ...

    def stop(self) -> None:
        """End all runs, and let no other begin."""
        ...

    def close(self) -> None:
        """Give back what the runs were made with, after the last one."""
        ...


@dataclass
class Children:
    """Processes of runs, which end with the process that started them.

    Args:
        threads: of each process.
        cards: the CUDA card of each of the processes that run at a time; none: all see all cards.
    """

    threads: int
    cards: Sequence[str] = ()
    running: set[subprocess.Popen[bytes]] = field(default_factory=set)
    stopped: bool = False
    keeps_runs: bool = False

    def __post_init__(self) -> None:
        self._free: SimpleQueue[str] = SimpleQueue()
        for card in self.cards:
            self._free.put(card)

    def attempt(self, start: Start, limits: Limits) -> Failure | None:
        """Run `maquette` with some words, and wait for it; what it prints goes to the log.

        Returns:
            Why it failed; None: it did not.
        """
        words, log = start
        with self._card() as visible:
            environment = self._threads() | {**os.environ} | visible
            with log.open("w") as stream:
                code = self._wait(
                    [sys.executable, "-P", "-m", "maquette", *words], limits.seconds, stdout=stream,
                    stderr=subprocess.STDOUT, env=environment,
                )  # fmt: skip
        if code == 0:
            return None
        if code is None:
            return Failure("time", f"it took more than {limits.seconds:g} s, and was stopped")
        lines = log.read_text(errors="replace").strip().splitlines()
        return classify(lines[-1] if lines else "", code)

    def stop(self) -> None:
        """End all processes, each of which saves a checkpoint first, and let no other begin."""
        self.stopped = True
        for child in tuple(self.running):
            child.terminate()

    def close(self) -> None:
        """Nothing: its processes have ended."""

    def _wait(self, command: Sequence[str], seconds: float | None, **settings: Any) -> int | None:
        """Exit code of a process; None: it was stopped, as it took too long."""
        child = subprocess.Popen(command, **settings)
        self.running.add(child)
        try:
            if self.stopped:
                child.terminate()
            return child.wait(seconds)
        except subprocess.TimeoutExpired:
            child.terminate()
            child.wait()
            return None
        finally:
            self.running.discard(child)

    def _threads(self) -> dict[str, str]:
        return {"OMP_NUM_THREADS": str(self.threads), "NUMBA_NUM_THREADS": str(self.threads)}

    @contextmanager
    def _card(self) -> Iterator[dict[str, str]]:
        """The variable that shows a process one card alone, which is free again afterwards."""
        if not self.cards:
            yield {}
            return
        card = self._free.get()
        try:
            yield {"CUDA_VISIBLE_DEVICES": card}
        finally:
            self._free.put(card)


class Inline:
    """Runs in this process, one after the other: no start of Python for each, and no protection from each other."""

    stopped = False
    keeps_runs = False

    def attempt(self, start: Start, limits: Limits) -> Failure | None:
        """Run or resume a method; see `Children.attempt`. Limits of time are not kept."""
        (command, first, *rest), log = start
        with _logged_to(log):
            try:
                self._run(command, first, rest)
            except MaquetteError as problem:
                return classify(str(problem))
            except Exception as problem:  # what would end the process of a run ends only this job
                log.write_text(traceback.format_exc())
                return classify(f"{type(problem).__name__}: {problem}")
        return None

    def _run(self, command: str, first: str, rest: Sequence[str]) -> None:
        from maquette.config.loading import load_method
        from maquette.pipeline import run_method
        from maquette.plugins.local import LocalParts, split_parts
        from maquette.stages.finished import load_run
        from maquette.training.run_folder import RunFolder

        if command == "run":
            words, parts = split_parts(rest)
            run_method(load_method(first, words, local=LocalParts(True, parts)))
        else:
            run_method(load_run(RunFolder.read(Path(first)), to_resume=True), Path(first))


def visible_cards(query: Callable[[], str] | None = None) -> list[str]:
    """The CUDA cards that this process may use, by number or name; empty without any. torch is not imported.

    Args:
        query: gives the lines of `nvidia-smi --list-gpus`; None: calls it.
    """
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [card.strip() for card in chosen.split(",") if card.strip() and card.strip() != "-1"]
    lines = (query or _list_gpus)().splitlines()
    return [str(number) for number in range(sum(line.startswith("GPU ") for line in lines))]


def share_cards(cards: Sequence[str], processes: int) -> list[str]:
    """The card of each process; none where there are fewer than two cards, as there is nothing to choose.

    Example:
        >>> share_cards(["0", "1"], 3), share_cards(["0"], 3)
        (['0', '1', '0'], [])
    """
    return [cards[i % len(cards)] for i in range(processes)] if len(cards) > 1 else []


def _list_gpus() -> str:
    try:
        return subprocess.run(
            ["nvidia-smi", "--list-gpus"], capture_output=True, text=True, timeout=10, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


@contextmanager
def _logged_to(path: Path) -> Iterator[None]:
    """Write what maquette logs in the block to a file, too."""
    handler = logging.FileHandler(path, "w", encoding="utf-8")
    logger = logging.getLogger("maquette")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(min(logger.getEffectiveLevel(), logging.INFO))
    try:
        yield
    finally:
        logger.setLevel(before)
        logger.removeHandler(handler)
        handler.close()
