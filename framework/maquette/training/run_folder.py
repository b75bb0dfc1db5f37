"""The run folder: files and folders of a run, and its name from method, prompt and time."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import socket
import time
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maquette.config.local_files import COPIES
from maquette.errors import ConfigError, RunError
from maquette.files import write_atomically

if TYPE_CHECKING:
    from maquette.training.checkpoints import CheckpointStore

SLUG_LENGTH = 60
UNFINISHED = ".new-"  # beginning of the name of a folder that is being made, before host and number of its process


def slug(text: str) -> str:
    """A folder name for any text: lower-case ASCII words joined by hyphens.

    Text that does not survive unchanged (other scripts, emoji, length, case, punctuation) gets eight characters of its
    hash appended, so that different texts have different names.

    Example:
        >>> slug("a red mushroom")
        'a-red-mushroom'
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    if words == text.strip().replace(" ", "-") and len(words) <= SLUG_LENGTH:
        return words or "no-prompt"
    digest = hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=4).hexdigest()
    return f"{words[:SLUG_LENGTH].rstrip('-') or 'prompt'}-{digest}"


@dataclass(frozen=True)
class RunFolder:
    """One run's folder: its configuration, manifest, metrics and report; previews, checkpoints, views and exports."""

    path: Path

    @classmethod
    def create(cls, output: str, method: str, subject: str, config: str) -> RunFolder:
        """A new folder `output/<method>/<slug>/<run-id>` with its config.yaml.

        It appears at once: a process that is killed here leaves a hidden folder, which the next run removes.

        Raises:
            ConfigError: it cannot be written.
        """
        parent = Path(output).expanduser() / slug(method) / slug(subject)
        try:
            parent.mkdir(parents=True, exist_ok=True)
            _remove_abandoned(parent)
            hidden = parent / f"{UNFINISHED}{slug(socket.gethostname())}-{os.getpid()}-{secrets.token_hex(4)}"
            hidden.mkdir()
            write_atomically(cls(hidden)._prepare().config, config)
            return cls(_rename_to_new(hidden, parent / time.strftime("%Y%m%d-%H%M%S")))
        except OSError as problem:
            raise ConfigError(
                f"cannot write here: {problem.strerror or problem}",
                key="output",
                hint="give another folder: output=...",
            ) from problem

    def _prepare(self) -> RunFolder:
        for name in ("previews", "checkpoints", "export"):
            (self.path / name).mkdir(exist_ok=True)
        return self

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """The folder of an existing run, to go on in. Raises ConfigError if it is not one, or cannot be written."""
        try:
            return cls.read(path)._prepare()
        except OSError as problem:
            raise ConfigError(f"cannot write in {path}: {problem.strerror or problem}") from problem

    @classmethod
    def read(cls, path: Path) -> RunFolder:
        """The folder of an existing run, in which nothing is written. Raises ConfigError if it is not one."""
        if not (path / "config.yaml").is_file():
            raise ConfigError(f"not a run folder (no config.yaml): {path}", hint="give the folder that a run printed")
        return cls(path)

    @property
    def config(self) -> Path:
        """The resolved configuration; `maquette run` takes it."""
        return self.path / "config.yaml"

    @property
    def manifest(self) -> Path:
        """Versions, git revision, machine, times, memory."""
        return self.path / "manifest.json"

    @property
    def metrics(self) -> Path:
        """Metrics: one line per logged step."""
        return self.path / "metrics.jsonl"

    @property
    def previews(self) -> Path:
        """Preview images, a folder per stage."""
        return self.path / "previews"

    @property
    def callbacks(self) -> Path:
        """Files of callbacks, a folder per stage; absent without any."""
        return self.path / "callbacks"

    @property
    def checkpoints(self) -> Path:
        """Checkpoints, a folder per stage."""
        return self.path / "checkpoints"

    @property
    def views(self) -> Path:
        """Sampled views: posed images in a folder per stage, and a sheet and an account of each; absent without any."""
        return self.path / "views"

    @property
    def export(self) -> Path:
        """Exported files and trained models."""
        return self.path / "export"

    @property
    def parts(self) -> Path:
        """Copies of the local files that parts come from; absent without any."""
        return self.path / COPIES

    @property
    def report(self) -> Path:
        """The HTML report."""
        return self.path / "report.html"

    @property
    def state(self) -> Path:
        """The file that lists the finished stages."""
        return self.path / "state.json"

    def store(self, stage: str, keep: int = 2) -> CheckpointStore:
        """The checkpoints of a stage, of which a writer keeps the latest `keep`."""
        from maquette.training.checkpoints import CheckpointStore  # torch: a list of runs does without

        return CheckpointStore(self.checkpoints / stage, keep)

    def checkpointed_steps(self, stage: str) -> int:
        """Steps of a stage's latest checkpoint; 0: it has none."""
        latest = self.store(stage).latest()
        return latest.step if latest else 0

    def sweep(self) -> None:
        """Remove the temporary files of a process that was killed while it wrote."""
        pattern, folders = ".*.tmp*", (self.export, self.previews, self.views)
        for path in (*self.path.glob(pattern), *(path for folder in folders for path in folder.rglob(pattern))):
            if path.is_file():
                path.unlink()

    def read_state(self) -> dict[str, Any]:
        """The state that `write_state` wrote: {"finished": names of stages, "config": plain configuration}.

        Raises:
            RunError: the file is broken.
        """
        if not self.state.is_file():
            return {"finished": []}
        try:
            state = json.loads(self.state.read_text(encoding="utf-8"))
        except (OSError, ValueError) as problem:
            raise self._broken(" ".join(str(problem).split())) from None
        if not isinstance(state, dict) or not isinstance(state.get("finished"), list):
            raise self._broken("it does not list the finished stages")
        config = state.get("config", {"stages": {}})
        if not isinstance(config, dict) or not isinstance(config.get("stages"), dict):
            raise self._broken("its config is that of no run")
        return state

    def _broken(self, problem: str) -> RunError:
        return RunError(
            f"cannot read {self.state}: {problem}; delete this file: the run then resumes from its checkpoints"
        )

    def write_state(self, state: Mapping[str, Any]) -> None:
        """Write the finished stages and the configuration that they ran with."""
        write_atomically(self.state, json.dumps(state, indent=1))


def _remove_abandoned(parent: Path) -> None:
    """Remove the hidden folders of processes of this host that no longer run."""
    for folder in parent.glob(f"{UNFINISHED}*"):
        host, _, process = folder.name.removeprefix(UNFINISHED).rpartition("-")[0].rpartition("-")
        if host == slug(socket.gethostname()) and process.isdigit() and not _runs(int(process)):
            shutil.rmtree(folder, ignore_errors=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        pass
    return True


def _rename_to_new(folder: Path, target: Path) -> Path:
    """Rename a folder to `target`, or to `target` with a number behind it where that is taken."""
    path, attempt = target, 0
    while True:
        try:
            if not path.exists():
                return folder.rename(path)
        except OSError as problem:
            if problem.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
        attempt += 1
        path = target.with_name(f"{target.name}-{attempt}")
