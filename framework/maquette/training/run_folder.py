"""The run folder: files and folders of a run, and its name from method, prompt and time."""

from __future__ import annotations

import hashlib
import json
import re
import time
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maquette.errors import ConfigError, RunError
from maquette.files import write_atomically

SLUG_LENGTH = 60


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
    """One run's folder: config.yaml, manifest.json, metrics.jsonl, previews/, checkpoints/, export/, report.html."""

    path: Path

    @classmethod
    def create(cls, output: str, method: str, subject: str) -> RunFolder:
        """A new folder `output/<method>/<slug>/<run-id>`. Raises ConfigError if it cannot be written."""
        run_id = time.strftime("%Y%m%d-%H%M%S")
        parent = Path(output) / slug(method) / slug(subject)
        try:
            parent.mkdir(parents=True, exist_ok=True)
            for attempt in range(1000):
                path = parent / (run_id if attempt == 0 else f"{run_id}-{attempt}")
                try:
                    path.mkdir()
                except FileExistsError:
                    continue
                return cls(path)._prepare()
        except OSError as problem:
            raise ConfigError(
                f"cannot write here: {problem.strerror or problem}",
                key="output",
                hint="give another folder: output=...",
            ) from problem
        raise RunError(f"no free run folder under {parent}")

    def _prepare(self) -> RunFolder:
        for name in ("previews", "checkpoints", "export"):
            (self.path / name).mkdir(exist_ok=True)
        return self

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """The folder of an existing run. Raises ConfigError if it is not one."""
        if not (path / "config.yaml").is_file():
            raise ConfigError(f"not a run folder (no config.yaml): {path}", hint="give the folder that a run printed")
        return cls(path)._prepare()

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
    def checkpoints(self) -> Path:
        """Checkpoints, a folder per stage."""
        return self.path / "checkpoints"

    @property
    def export(self) -> Path:
        """Exported files and trained models."""
        return self.path / "export"

    @property
    def report(self) -> Path:
        """The HTML report."""
        return self.path / "report.html"

    @property
    def state(self) -> Path:
        """The file that lists the finished stages."""
        return self.path / "state.json"

    def read_state(self) -> dict[str, Any]:
        """The finished stages, as written by `write_state`: {"finished": [...]}."""
        return json.loads(self.state.read_text()) if self.state.is_file() else {"finished": []}

    def write_state(self, state: Mapping[str, Any]) -> None:
        """Write the finished stages."""
        write_atomically(self.state, json.dumps(state, indent=1))
