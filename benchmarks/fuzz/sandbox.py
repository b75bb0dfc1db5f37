"""A process of its own in which readers run under limits, and that reports what they opened, started and wrote.

The process is forked with everything imported, and is made anew after a crash. Each input has a folder of its own; beside
it lies a folder of secrets, whose access times tell whether anything read them.
"""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import resource
import shutil
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fuzz.case import Case
from fuzz.judging import Wrong, check_method, check_reading

SECONDS = 10.0  # of the processor for one input
PATIENCE = 60.0  # seconds of the clock, after which an input hangs whatever it waits for
MEMORY = 1 << 30  # bytes that one input may take on top of what lies in memory anyway
INPUTS = 500  # after which the process is made anew
STARTS = (
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "socket.connect",
    "socket.getaddrinfo",
    "socket.bind",
)
OPENS = ("open", "os.listdir", "os.scandir")
CHANGES = ("os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.truncate", "os.chmod", "os.symlink", "shutil.rmtree")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
FINDINGS = ("traceback", "hang", "memory", "crash", "escape", "executed", "wrong", "lines")


class TimeIsUp(BaseException):
    """An input takes longer than it may."""


@dataclass(frozen=True)
class Verdict:
    """What came of an input.

    Args:
        name: ok, refused, or one of `FINDINGS`.
        what: one line: the message, or the error with its place; equal for findings of one cause.
        details: the traceback, or the paths that were opened.
    """

    name: str
    what: str = ""
    details: str = ""

    @property
    def bad(self) -> bool:
        return self.name in FINDINGS


class Sandbox:
    """Judges inputs one after the other in a child process; `folder` is where it may write."""

    def __init__(
        self, folder: Path, seconds: float = SECONDS, patience: float = PATIENCE, memory: int = MEMORY
    ) -> None:
        self.folder, self.limits, self.patience = folder.resolve(), (seconds, memory), patience
        self.child: Any = None
        self.pipe: Any = None
        self.count = 0
        (self.folder / "outside").mkdir(parents=True, exist_ok=True)

    def judge(self, case: Case) -> Verdict:
        """Read the input, and say what came of it."""
        box = self.folder / "box"
        shutil.rmtree(box, ignore_errors=True)
        box.mkdir()
        try:
            case.write(box)
        except (OSError, ValueError):  # a name that no file can have
            return Verdict("skipped")
        if self.child is None or self.count >= INPUTS:
            self._start()
        self.count += 1
        try:
            self.pipe.send(case)
            if self.pipe.poll(self.patience):
                return self.pipe.recv()
            verdict = Verdict("hang", "it waits, or does not return from a library")
        except (EOFError, OSError):
            self.child.join(5)
            verdict = Verdict("crash", f"the process ended with {self.child.exitcode}")
        self.close()
        return verdict

    def _start(self) -> None:
        self.close()
        context = multiprocessing.get_context("fork")
        self.pipe, other = context.Pipe()
        self.child = context.Process(target=_serve, args=(other, self.folder, *self.limits), daemon=True)
        self.child.start()
        other.close()
        self.count = 0

    def close(self) -> None:
        """End the process."""
        if self.child is not None:
            self.child.kill()
            self.child.join()
            self.pipe.close()
        self.child = None


class _Observer:
    """Notes the files that are opened elsewhere, and programs and connections that are started, while it is active."""

    def __init__(self, box: Path) -> None:
        roots = (box, sys.prefix, sys.base_prefix, Path(__file__).parents[2], os.environ.get("MAQUETTE_CACHE", box))
        libraries = [path for path in sys.path if path]
        system = ("/proc", "/sys", "/dev/null", "/dev/urandom", "/usr/lib", "/lib", "/usr/share")
        self.roots = tuple(os.path.realpath(root) for root in (*roots, *libraries)) + system
        self.written = (*map(os.path.realpath, ("/dev/null", box / "run", os.environ.get("MAQUETTE_CACHE", box))),)
        self.active = False
        self.opened: list[str] = []
        self.started: list[str] = []
        sys.addaudithook(self.note)

    def note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.active:
            return
        if event in STARTS:
            self.started.append(f"{event} {arguments[:2]!r}")
        elif event in (*OPENS, *CHANGES) and isinstance(arguments[0], (str, bytes)):
            self.active = False
            path = os.path.realpath(os.fsdecode(arguments[0]))
            self.active = True
            writes = event in CHANGES or (event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING)
            if not _below(path, self.written if writes else self.roots):
                self.opened.append(f"{'writes: ' * bool(writes)}{event} {path}")


def _below(path: str, roots: tuple[str, ...]) -> bool:
    return any(path == root or path.startswith(f"{root}/") for root in roots)


def _serve(pipe: Any, folder: Path, seconds: float, memory: int) -> None:
    import torch

    torch.set_num_threads(1)
    logging.disable(logging.CRITICAL)
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    size = _status("VmSize") + 2 * memory
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGPROF, _time_is_up)
    observer = _Observer(folder / "box")
    os.chdir(folder / "box")
    while True:
        case = pipe.recv()
        os.chdir(folder / "box")
        pipe.send(_judge(case, folder, observer, seconds, memory))


def _time_is_up(*_: Any) -> None:
    raise TimeIsUp


def _judge(case: Case, folder: Path, observer: _Observer, seconds: float, memory: int) -> Verdict:
    observer.opened, observer.started = [], []
    secrets = _prepare_secrets(folder / "outside")
    Path("/proc/self/clear_refs").write_text("5")  # the peak of memory starts anew
    before = _status("VmRSS")
    with _timer(seconds):
        observer.active = True
        try:
            verdict = _read(case, folder / "box")
        finally:
            observer.active = False
    if observer.started or (folder / "outside" / "executed").exists():
        return Verdict("executed", (observer.started or ["a marker"])[0], "\n".join(observer.started))
    touched = [str(path) for path, time in secrets.items() if not path.exists() or path.stat().st_atime_ns != time]
    if observer.opened or touched:
        return Verdict("escape", (observer.opened or touched)[0], "\n".join([*observer.opened, *touched]))
    if not verdict.bad and (peak := _status("VmHWM") - before) > memory:
        return Verdict("memory", f"{case.loader} takes {peak >> 20} MB", verdict.what)
    return verdict


def _read(case: Case, box: Path) -> Verdict:
    from maquette.config.loading import load_method
    from maquette.errors import MaquetteError
    from maquette.inspection import inspect_path

    try:
        if case.words is not None:
            check_method(
                load_method(str(box / case.target) if case.target in case.files else case.target, case.words), case, box
            )
        else:
            check_reading(inspect_path(str(box / case.target)), case)
    except MaquetteError as problem:
        text = str(problem)
        if case.expected:
            return Verdict("wrong", f"{case.loader}: refused, though it is right", text)
        return Verdict("lines" if "\n" in text or len(text) > 3000 or not text else "refused", text[:3000])
    except Wrong as problem:
        return Verdict("wrong", str(problem)[:3000])
    except TimeIsUp as problem:
        return Verdict("hang", _place(problem), traceback.format_exc())
    except MemoryError as problem:
        return Verdict("memory", _place(problem), traceback.format_exc())
    except BaseException as problem:
        return Verdict("traceback", _place(problem), traceback.format_exc())
    return Verdict("ok")


@contextmanager
def _timer(seconds: float) -> Iterator[None]:
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _place(problem: BaseException) -> str:
    frames = traceback.extract_tb(problem.__traceback__)
    ours = [frame for frame in frames if "/maquette" in frame.filename] or frames
    return f"{type(problem).__name__} at {Path(ours[-1].filename).name}:{ours[-1].name}"


def _prepare_secrets(folder: Path) -> dict[Path, int]:
    """Set the access times of the secrets back, and return them by path."""
    times = {}
    for path in sorted(folder.iterdir()):
        if path.name == "executed":
            path.unlink()
            continue
        os.utime(path, ns=(1_000_000_000, 2_000_000_000))
        times[path] = path.stat().st_atime_ns
    return times


def _status(key: str) -> int:
    """Bytes of an entry of /proc/self/status."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{key}:"))
    return int(line.split()[1]) << 10


def write_secrets(folder: Path, picture: bytes) -> None:
    """Files beside the inputs' folder that nothing may read."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("secret.png", "secret.bin", "secret.mtl", "secret.json", "secret.txt"):
        texts = {"secret.mtl": b"newmtl a\nKd 1 0 1\n", "secret.json": json.dumps({"frames": []}).encode()}
        (folder / name).write_bytes(texts.get(name, picture))
