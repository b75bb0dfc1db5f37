"""A process of its own in which readers run under limits, and that reports what they opened, started and wrote.

The process is forked with everything imported, and is made anew after a crash. Each input has a folder of its own;
beside it lies a folder of secrets, whose access times tell whether anything read them.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import resource
import shutil
import signal
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fuzz.case import Case
from fuzz.judging import READERS, Wrong, require

SECONDS = 10.0  # of the processor for one input
PATIENCE = 60.0  # seconds of the clock, after which an input hangs whatever it waits for
MEMORY = 1 << 30  # bytes that one input may take on top of what lies in memory anyway
INPUTS = 500  # after which the process is made anew
LONGEST = 3000  # letters of a refusal
STARTS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "socket.connect", "socket.getaddrinfo", "socket.bind")  # fmt: skip  # noqa: E501
DECODER = "ffmpeg"  # the program that .hdr and .exr are read by
OPENS = ("open", "os.listdir", "os.scandir")
CHANGES = ("os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.truncate", "os.chmod", "os.symlink", "shutil.rmtree")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
SYSTEM = ("/proc", "/sys", "/dev/null", "/dev/urandom", "/usr/lib", "/lib", "/usr/share")
FINDINGS = ("traceback", "hang", "memory", "crash", "escape", "executed", "wrong", "lines")
SECRETS = ("secret.png", "secret.bin", "secret.mtl", "secret.json")


class TimeIsUp(BaseException):
    """An input takes longer than it may."""


@dataclass(frozen=True)
class Verdict:
    """What came of an input: ok, refused, skipped or one of `FINDINGS`; one line that is equal for findings of one
    cause; and the traceback, or the paths that were opened."""

    name: str
    what: str = ""
    details: str = ""

    @property
    def bad(self) -> bool:
        return self.name in FINDINGS


class Sandbox:
    """Judges inputs one after the other in a child process; `folder` is where it may write."""

    def __init__(self, folder: Path, secret: bytes = b"", seconds: float = SECONDS, patience: float = PATIENCE) -> None:
        self.folder, self.seconds, self.patience, self.count = folder.resolve(), seconds, patience, 0
        self.child: Any = None
        self.pipe: Any = None
        (self.folder / "outside").mkdir(parents=True, exist_ok=True)
        for name in SECRETS:
            texts = {"secret.mtl": b"newmtl a\nKd 1 0 1\n", "secret.json": b'{"frames": []}'}
            (self.folder / "outside" / name).write_bytes(texts.get(name, secret))

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
        self.child = context.Process(target=_serve, args=(other, self.folder, self.seconds), daemon=True)
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
    """Notes what is opened outside `roots`, written outside `written`, and started, while it is active."""

    def __init__(self, box: Path) -> None:
        cache = os.environ.get("MAQUETTE_CACHE", str(box))
        libraries = (sys.prefix, sys.base_prefix, *filter(None, sys.path), Path(__file__).parents[2])
        self.roots = (*map(os.path.realpath, (box, cache, *libraries)), *SYSTEM)
        self.written = (*map(os.path.realpath, ("/dev/null", box / "run", cache)),)
        self.active, self.opened, self.started = False, list[str](), list[str]()
        sys.addaudithook(self.note)

    def note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.active and event in STARTS and DECODER not in str(arguments[0]):
            self.started.append(f"{event} {arguments[:2]!r}")
        elif self.active and event in (*OPENS, *CHANGES) and isinstance(arguments[0], (str, bytes)):
            self.active = False
            path = os.path.realpath(os.fsdecode(arguments[0]))
            self.active = True
            writes = event in CHANGES or (event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING)
            roots = self.written if writes else self.roots
            inside = any(path == root or path.startswith(f"{root}/") for root in roots)
            if not inside and "__pycache__" not in path:  # where what is imported late is compiled to
                self.opened.append(f"{'writes: ' * bool(writes)}{event} {path}")


def _serve(pipe: Any, folder: Path, seconds: float) -> None:
    import torch

    torch.set_num_threads(1)
    logging.disable(logging.CRITICAL)
    for stream in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    size = _status("VmSize") + 2 * MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGPROF, _time_is_up)
    observer = _Observer(folder / "box")
    while True:
        case = pipe.recv()
        os.chdir(folder / "box")
        pipe.send(_judge(case, folder, observer, seconds))


def _time_is_up(*_: Any) -> None:
    raise TimeIsUp


def _judge(case: Case, folder: Path, observer: _Observer, seconds: float) -> Verdict:
    observer.opened, observer.started = [], []
    marker, secrets = folder / "outside" / "executed", [folder / "outside" / name for name in SECRETS]
    marker.unlink(missing_ok=True)
    for path in secrets:
        os.utime(path, ns=(10**9, 2 * 10**9))  # read after it was written, so that reading it again shows
    Path("/proc/self/clear_refs").write_text("5")  # the peak of memory starts anew
    before = _status("VmRSS")
    signal.setitimer(signal.ITIMER_PROF, seconds)
    observer.active = True
    verdict = _read(case, folder / "box")
    observer.active = False
    signal.setitimer(signal.ITIMER_PROF, 0)
    if observer.started or marker.exists():
        return Verdict("executed", [*observer.started, "a marker"][0], "\n".join(observer.started))
    opened = [*observer.opened, *(f"open {path}" for path in secrets if path.stat().st_atime_ns != 10**9)]
    if opened:
        return Verdict("escape", opened[0].replace(str(folder), ""), "\n".join(opened))
    if not verdict.bad and (peak := _status("VmHWM") - before) > MEMORY:
        return Verdict("memory", f"{case.loader}: too much", f"{peak >> 20} MB; {verdict.what}")
    return verdict


def _read(case: Case, box: Path) -> Verdict:
    from maquette.errors import MaquetteError
    from maquette.files import allowing

    refusal = case.expected.get("refused")
    try:
        with allowing(box / folder for folder in case.allow):
            READERS[case.reader](case, box)
        require(refusal is None, f"read, though it is to be refused: {refusal}")
    except MaquetteError as problem:
        text = str(problem)
        if case.expected and (refusal is None or refusal not in text):
            return Verdict("wrong", f"{case.loader}: refused, though it is right", text)
        return Verdict("refused" if text and "\n" not in text and len(text) < LONGEST else "lines", text[:LONGEST])
    except Wrong as problem:
        return Verdict("wrong", f"{case.loader}: {problem}"[:LONGEST])
    except BaseException as problem:
        name = {TimeIsUp: "hang", MemoryError: "memory"}.get(type(problem), "traceback")
        frames = traceback.extract_tb(problem.__traceback__)
        last = [*frames, *(frame for frame in frames if "/maquette" in frame.filename)][-1]
        place = f"{type(problem).__name__} at {Path(last.filename).name}:{last.name}"
        return Verdict(name, place, traceback.format_exc())
    return Verdict("ok")


def _status(key: str) -> int:
    """Bytes of an entry of /proc/self/status."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{key}:"))
    return int(line.split()[1]) << 10
