"""Results as runs of Weights & Biases: the workbench beside the records, which stay what counts.

A unit is a run whose id is a hash of its place among the results, and its suite is the group. The record itself is in
the run's configuration, so that `maquette.bench.wandb_pull` gives back the same one.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from maquette.bench.measuring import VIEWS_FILE
from maquette.bench.records import Record, find_records, read_record
from maquette.bench.subjects import MESH_FILE
from maquette.errors import ConfigError, MissingDependency
from maquette.export.drawing import MeshDrawing
from maquette.export.video import write_gif
from maquette.files import display_path, write_atomically
from maquette.meshes.placement import Placement
from maquette.meshes.reading import inspect_mesh

JOB_TYPE = "result"  # of the runs, by which they are found again
RECORD_KEY = "record"  # of a run's configuration: the whole record as JSON
LEDGER_FILE = "pushed.json"  # project -> id of a run -> digest of the record that was pushed
FRAMES, SIZE, FPS, ELEVATION_DEG = 24, 160, 12, 15.0  # of the turntable


@dataclass(frozen=True)
class Pushed:
    """One record.

    Args:
        record: it.
        id: of its run.
        repeated: it was pushed before, and was not pushed again.
    """

    record: Record
    id: str
    repeated: bool


def push_results(
    results: Path, folder: Path, project: str = "maquette", entity: str = "", turntables: bool = True
) -> Iterator[Pushed]:
    """Push all records below a folder that were not pushed to the project before.

    `WANDB_MODE=offline` writes the runs to `<folder>/wandb` alone, and their artifacts to `<folder>/artifacts`, unless
    `WANDB_DATA_DIR` says otherwise; wandb itself stages them outside, where a copy of the folder would miss them.

    Args:
        results: of all results, or of one suite.
        folder: in which wandb writes.
        project, entity: of W&B; entity "": the login's own.
        turntables: whether each mesh is drawn from all around, which takes about a second.

    Raises:
        MissingDependency: wandb is not installed.
        ConfigError: there are no records.
    """
    wandb = import_wandb()
    paths = find_records(results)
    if not paths:
        raise ConfigError(
            f"there are no records in {display_path(results)}", hint="make some: maquette bench run SUITE"
        )
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("WANDB_DATA_DIR", str(folder.absolute()))
    ledger, key = _read_ledger(folder), f"{entity}/{project}".lstrip("/")
    before = ledger.setdefault(key, {})
    for path in paths:
        record = read_record(path)
        run_id = run_id_of(record)
        repeated = before.get(run_id) == record.digest
        if not repeated:
            _push(wandb, record, path.parent, folder, project, entity, turntables)
            before[run_id] = record.digest
            write_atomically(folder / LEDGER_FILE, json.dumps(ledger, indent=1, sort_keys=True))
        yield Pushed(record, run_id, repeated)


def import_wandb() -> Any:
    """The module `wandb`.

    Raises:
        MissingDependency: it is not installed; says how to install it.
    """
    try:
        import wandb
    except ImportError:
        raise MissingDependency("results go to W&B by the package wandb: pip install 'maquette[wandb]'") from None
    return wandb


def run_id_of(record: Record) -> str:
    """16 hexadecimal digits of suite, method, configuration, case and seed: another attempt has the same id."""
    place = [record.suite, record.method, record.config_hash, record.case, str(record.seed)]
    return hashlib.blake2b(json.dumps(place).encode(), digest_size=8).hexdigest()


def turntable(glb: Path) -> list[np.ndarray]:
    """Pictures [H, W, 3] of a mesh from all around, unlit over white."""
    drawing = MeshDrawing(inspect_mesh(glb, Placement()).value)
    azimuths_deg = [360 * i / FRAMES for i in range(FRAMES)]
    return list(drawing.render(azimuths_deg, ELEVATION_DEG, SIZE).rgb.numpy())


def _push(
    wandb: Any, record: Record, place: Path, folder: Path, project: str, entity: str, turntables: bool
) -> None:  # fmt: skip
    online = os.environ.get("WANDB_MODE", "online") == "online"
    config = {
        "suite": record.suite, "method": record.method, "case": record.case, "seed": record.seed,
        "config_hash": record.config_hash, "source": record.source, "settings": record.manifest.get("config", {}),
        RECORD_KEY: json.dumps(asdict(record), ensure_ascii=False),
    }  # fmt: skip
    run = wandb.init(
        project=project, entity=entity or None, id=run_id_of(record), group=record.suite, job_type=JOB_TYPE,
        name=f"{record.method}, {record.case}, seed {record.seed}", tags=[record.status], config=config,
        dir=str(folder), resume="allow" if online else None, reinit="finish_previous",
        settings=wandb.Settings(silent=True, console="off"),
    )  # fmt: skip
    with TemporaryDirectory() as work:
        media = _media(wandb, place, Path(work), turntables)
        if media:
            run.log(media)
        run.summary.update({**record.values, **record.costs, "status": record.status, "error": record.error})
        if record.predictions:
            artifact = wandb.Artifact(f"result-{run.id}", type=JOB_TYPE)
            artifact.add_dir(str(place))
            run.log_artifact(artifact)
        run.finish(exit_code=0 if record.status == "done" else 1)


def _media(wandb: Any, place: Path, work: Path, turntables: bool) -> dict[str, Any]:
    """The pictures and the mesh of a unit, and the mesh's turntable."""
    media: dict[str, Any] = {}
    if (place / VIEWS_FILE).is_file():
        media["views"] = wandb.Image(str(place / VIEWS_FILE))
    if (place / MESH_FILE).is_file():
        media["mesh"] = wandb.Object3D(str(place / MESH_FILE))
        if turntables:
            media["turntable"] = wandb.Video(str(write_gif(work / "turntable.gif", turntable(place / MESH_FILE), FPS)))
    return media


def _read_ledger(folder: Path) -> dict[str, dict[str, str]]:
    path = folder / LEDGER_FILE
    if not path.is_file():
        return {}
    try:
        ledger: dict[str, dict[str, str]] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as problem:
        raise ConfigError(f"this is not what was pushed before: {problem}", file=display_path(path)) from None
    return ledger
