"""Scoring what others made: meshes, splats or views in a folder, with a short account of the system."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from maquette.bench.baselines import Bounds, baseline_records
from maquette.bench.measuring import VIEWS_FILE, SuiteMetrics, any_error_as_ours, measured_by, write_views
from maquette.bench.outlines import keep_outline
from maquette.bench.records import FAILURE_FILE, RECORD_FILE, Record, hash_of, write_failure, write_record
from maquette.bench.running import judged
from maquette.bench.subjects import MESH_FILE, read_subject
from maquette.bench.suites import Suite
from maquette.bench.units import unit_place
from maquette.config.parts import check
from maquette.errors import ConfigError, MaquetteError, RunError, did_you_mean
from maquette.export.writers import write_glb
from maquette.files import display_path, file_hash
from maquette.geometry.splat_reading import holds_splats
from maquette.meshes.placement import Placement
from maquette.meshes.reading import inspect_mesh
from maquette.metrics.base import Case, MeasuredSubject
from maquette.runs.view_sheets import sheet_views
from maquette.training.run_folder import slug

SYSTEM_FILE = "system.toml"
PREDICTION, VIEWS_FOLDER = "prediction", "views"  # stem of a copied file, and name of a copied folder of pictures
SEVERAL_FILES = (".obj", ".gltf")  # formats that refer to other files, and are kept as one .glb
SUFFIXES = (".glb", ".gltf", ".obj", ".ply", ".off", ".stl", ".splat")


@dataclass(frozen=True)
class System:
    """The account of a system: `system.toml`."""

    name: str  # of the system, its row in tables
    version: str  # of the system: another version is another row
    hardware: str = ""  # what it ran on
    seconds: float | None = None  # wall time of one case
    seconds_of: dict[str, float] = field(default_factory=dict)  # the same by the title of a case, where they differ
    url: str = ""  # where it is described

    @property
    def config_hash(self) -> str:
        """16 hexadecimal digits of name and version."""
        return hash_of({"name": self.name, "version": self.version})


@dataclass(frozen=True)
class Scored:
    """One case and seed of a system.

    Args:
        record: of success or failure.
        folder: where it is.
    """

    record: Record
    folder: Path


def read_system(folder: Path) -> System:
    """The account of the system that a folder is of.

    Raises:
        ConfigError: there is none, or a key is wrong.
    """
    path = folder / SYSTEM_FILE
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        hint = 'write one: name = "my-system", version = "1.0", hardware = "...", seconds = 12'
        raise ConfigError(f"there is no {SYSTEM_FILE} in {display_path(folder)}", hint=hint) from None
    except (OSError, ValueError) as problem:
        raise ConfigError(f"this cannot be read: {problem}", file=display_path(path)) from None
    try:
        system: System = check(System, data, "", lambda key: None)
    except ConfigError as problem:
        raise ConfigError(problem.message, key=problem.key, file=display_path(path), hint=problem.hint) from None
    if slug(system.name) in ("oracle", "trivial"):
        raise ConfigError("this is the name of a baseline", key="name", file=display_path(path))
    return system


def score_folder(folder: Path, suite: Suite, results: Path) -> Iterator[Scored]:
    """Score the files of a folder by a suite, and record them as those of our own runs.

    A file is called `<case>/<seed>.glb`, `<case>-seed<seed>.glb` or, where the suite has one seed, `<case>.glb`, with
    the case's title as `maquette` writes it in folders ("a-red-mug"); a folder of posed pictures likewise. A case
    without a file is recorded as failed.

    Args:
        folder: of the files, with `system.toml`.
        suite: whose cases they are.
        results: folder of all results.

    Raises:
        ConfigError: `system.toml` is missing or wrong, a file is of no case, or a metric has no oracle.
    """
    system, metrics = read_system(folder), SuiteMetrics.build(suite)
    files = {(case.title, seed): find_file(folder, suite, case, seed) for case in suite.cases for seed in suite.seeds}
    _check_all_used(folder, suite, [path for path in files.values() if path is not None])
    keep_outline(suite, results)
    bounds = baseline_records(suite, metrics, results)
    for case in suite.cases:
        for seed in suite.seeds:
            place = results / unit_place(suite.title, system.name, system.config_hash, case, seed)
            if (place / RECORD_FILE).is_file():
                raise RunError(
                    f"{system.name} {system.version} is recorded already for {case.title}: {display_path(place)}; "
                    f"give it another version in {SYSTEM_FILE}, or another --results"
                )
            path = files[case.title, seed]
            yield Scored(_scored(system, path, suite, metrics, case, seed, bounds[case.title], place), place)


def find_file(folder: Path, suite: Suite, case: Case, seed: int) -> Path | None:
    """The file or folder of a case and seed; None: there is none."""
    title = slug(case.title)
    stems = [folder / title / str(seed), folder / f"{title}-seed{seed}"]
    stems += [folder / title] if len(suite.seeds) == 1 else []
    for stem in stems:
        for suffix in SUFFIXES:
            if (path := stem.with_name(stem.name + suffix)).is_file():
                return path
    return next((stem for stem in stems if stem.is_dir() and any(stem.glob("*.json"))), None)


def keep_prediction(path: Path, suite: Suite, place: Path) -> Path:
    """Copy what is scored beside its record; a format of several files becomes one `mesh.glb`, in our axes.

    Files of an earlier attempt are removed.
    """
    place.mkdir(parents=True, exist_ok=True)
    _clear(place)
    if path.is_dir():
        return Path(shutil.copytree(path, place / VIEWS_FOLDER, dirs_exist_ok=True))
    if path.suffix.lower() in SEVERAL_FILES and not holds_splats(path):
        axes = Placement(suite.protocol.up, suite.protocol.front, fit="none")
        return write_glb(place / MESH_FILE, inspect_mesh(path, axes, key="subject").value)
    return Path(shutil.copyfile(path, place / f"{PREDICTION}{path.suffix.lower()}"))


def _clear(place: Path) -> None:
    """Empty the place of a record; that of a failure stays until another is written."""
    for path in place.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != FAILURE_FILE:
            path.unlink()


def kept_subject(place: Path, suite: Suite, case: Case) -> MeasuredSubject | None:
    """What is measured of the files beside a record; None: no file was kept."""
    if (place / MESH_FILE).is_file():
        return read_subject(place / MESH_FILE, suite.protocol, case, ours=True)
    paths = [
        *sorted(place.glob(f"{PREDICTION}.*")),
        *([place / VIEWS_FOLDER] if (place / VIEWS_FOLDER).is_dir() else []),
    ]
    return read_subject(paths[0], suite.protocol, case) if paths else None


def hashes_of(place: Path) -> dict[str, str]:
    """The sha256 of all files beside a record, by their path below it."""
    paths = sorted(path for path in place.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {
        path.relative_to(place).as_posix(): file_hash(path)
        for path in paths
        if path.name not in (RECORD_FILE, FAILURE_FILE)
    }


def _scored(
    system: System, path: Path | None, suite: Suite, metrics: SuiteMetrics, case: Case, seed: int, bounds: Bounds,
    place: Path,
) -> Record:  # fmt: skip
    manifest: dict[str, Any] = {
        "config": {"name": system.name, "version": system.version}, "hardware": system.hardware, "url": system.url,
        "measured": measured_by(),
    }  # fmt: skip
    seconds = system.seconds_of.get(case.title, system.seconds)
    begun = Record(
        suite.title, suite.digest, system.name, system.config_hash, case.title, seed, "score", "failed", kind="other",
        better=metrics.directions, costs={} if seconds is None else {"seconds": seconds}, manifest=manifest,
    )  # fmt: skip
    try:
        if path is None:
            raise RunError("the system has no file of this case and seed")
        with any_error_as_ours(str(path)):
            keep_prediction(path, suite, place)
            subject = kept_subject(place, suite, case)
            assert subject is not None
            measured = metrics.measure(subject, case)
            with suppress(RunError):  # pictures are known from their own cameras alone
                write_views(sheet_views(subject, suite.sheet_views), place / VIEWS_FILE)
    except MaquetteError as problem:
        failed = replace(begun, error=str(problem)).sealed()
        write_failure(failed, place)
        return failed
    done = replace(
        begun, status="done", kind="", values=measured.values, facts=measured.facts, predictions=hashes_of(place)
    )
    record = judged(done, bounds).sealed()
    write_record(record, place)
    (place / FAILURE_FILE).unlink(missing_ok=True)
    return record


def _check_all_used(folder: Path, suite: Suite, used: list[Path]) -> None:
    """Refuse files that are of no case: their names may be mistyped, and the case would count as failed."""
    titles = [slug(case.title) for case in suite.cases]
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or (path.is_file() and path.suffix.lower() not in SUFFIXES):
            continue
        if not any(one == path or path in one.parents for one in used):
            stem = path.stem if path.is_file() else path.name
            raise ConfigError(
                f"{path.name} is of no case of the suite {suite.name!r}", file=display_path(folder),
                hint=f"{did_you_mean(stem, titles)}cases: {', '.join(titles[:8])}",
            )  # fmt: skip
