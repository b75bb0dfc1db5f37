"""Records out of runs of Weights & Biases, of a project or of the files of offline runs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from maquette.bench.records import (
    FAILURE_FILE,
    RECORD_FILE,
    Record,
    place_problem,
    read_record,
    write_failure,
    write_record,
)
from maquette.bench.units import unit_place
from maquette.bench.wandb_push import JOB_TYPE, RECORD_KEY, import_wandb
from maquette.config.parts import check
from maquette.errors import ConfigError, RunError
from maquette.files import atomic_path, display_path, file_hash
from maquette.metrics.base import Case


@dataclass(frozen=True)
class Pulled:
    """One run.

    Args:
        name: of the run, or its file.
        record: None where it has none that is whole.
        state: written; there: it was there already; refused: says why.
        message: why it is refused, or which predictions are missing; "" if all is well.
    """

    name: str
    record: Record | None
    state: Literal["written", "there", "refused"]
    message: str = ""


def pull_offline(folder: Path, results: Path) -> Iterator[Pulled]:
    """Write the records of offline runs, whose logs wandb itself reads; a run that was killed is read as far as it got.

    Args:
        folder: in which wandb wrote.
        results: folder of all results.

    Raises:
        MissingDependency: wandb is not installed.
        ConfigError: there are no runs in the folder.
    """
    import_wandb()
    logs = sorted(folder.rglob("run-*.wandb"), key=lambda path: path.stat().st_mtime)
    if not logs:
        raise ConfigError(f"there are no runs of wandb in {display_path(folder)}")
    files = _by_hash(path for path in folder.rglob("*") if path.is_file() and path not in logs)
    for log in logs:
        try:
            config = inspect_run(log).get("config", {})
        except RunError as problem:
            yield Pulled(log.name, None, "refused", str(problem))
            continue
        if RECORD_KEY in config:
            yield _keep(log.name, str(config[RECORD_KEY]), results, files)


def pull_project(path: str, results: Path, api: Any = None) -> Iterator[Pulled]:
    """Write the records of a project's runs, by W&B's public API.

    Args:
        path: "entity/project".
        results: folder of all results.
        api: as `wandb.Api()`; None: makes one.

    Raises:
        MissingDependency: wandb is not installed.
        ConfigError: the path has not the form entity/project.
    """
    if path.count("/") != 1:
        raise ConfigError(f"{path!r} is no project of W&B", key="wandb", hint="entity/project")
    api = api or import_wandb().Api()
    for run in api.runs(path, filters={"jobType": JOB_TYPE}):
        if RECORD_KEY not in run.config:
            continue
        with TemporaryDirectory() as work:
            for file in run.files():
                if file.name.startswith("media/"):
                    file.download(root=work, replace=True)
            files = _by_hash(one for one in Path(work).rglob("*") if one.is_file())
            yield _keep(run.name, str(run.config[RECORD_KEY]), results, files)


def inspect_run(log: Path) -> Mapping[str, Any]:
    """Configuration, summary and state of an offline run, by `wandb leet inspect`.

    Raises:
        RunError: wandb cannot read it.
    """
    command = [sys.executable, "-m", "wandb", "leet", "inspect", str(log), "--summary", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        facts: Mapping[str, Any] = json.loads(done.stdout)
    except ValueError:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise RunError(f"wandb cannot read {display_path(log)}: {lines[-1] if lines else done.returncode}") from None
    return facts


def _by_hash(paths: Iterable[Path]) -> dict[str, Path]:
    return {file_hash(path): path for path in paths}


def _keep(name: str, text: str, results: Path, files: Mapping[str, Path]) -> Pulled:
    """Write a record with the predictions that it names by their hashes, as far as they are among the files."""
    try:
        record: Record = check(Record, json.loads(text), "", lambda key: None)
    except (ValueError, ConfigError) as problem:
        return Pulled(name, None, "refused", f"its record is broken: {problem}")
    if record.digest != record.expected_digest:
        return Pulled(name, None, "refused", "its record was changed: its digest is not that of its content")
    if reason := place_problem(record):
        return Pulled(name, record, "refused", reason)
    place = results / unit_place(record.suite, record.method, record.config_hash, Case(record.case), record.seed)
    if (place / RECORD_FILE).is_file():
        if read_record(place / RECORD_FILE).digest == record.digest:
            return Pulled(name, record, "there")
        return Pulled(name, record, "refused", f"there is another record in {display_path(place)}")
    missing = []
    for file, digest in record.predictions.items():
        if not _is_inside(file) or digest not in files:
            missing.append(file)
            continue
        (place / file).parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(place / file) as copy:
            copy.write_bytes(files[digest].read_bytes())
    if record.status == "failed":
        write_failure(record, place)
    else:
        write_record(record, place)
        (place / FAILURE_FILE).unlink(missing_ok=True)
    return Pulled(name, record, "written", f"its prediction {', '.join(missing)} is not there" if missing else "")


def _is_inside(name: str) -> bool:
    """Whether the name of a prediction leads to a file beside its record: the record was made by others."""
    path = Path(name)
    return not path.is_absolute() and ".." not in path.parts
