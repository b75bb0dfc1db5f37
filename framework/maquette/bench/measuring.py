"""Measuring the result of a unit by a suite's metrics, and what the record says beside the values."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import distributions as installed
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from maquette.bench.records import LOCK_FOLDER, hash_of
from maquette.bench.suites import Suite
from maquette.bench.units import Unit, shared_fingerprint
from maquette.errors import MaquetteError, RunError
from maquette.files import atomic_path, write_atomically
from maquette.images.pixels import to_bytes
from maquette.metrics.base import Case, Direction, MeasuredSubject, Metric, check_truth, protocol_name
from maquette.runs.measuring import measure_scene
from maquette.training.fingerprint import distributions, local_hashes
from maquette.training.manifest import machine, read_manifest, revision, versions
from maquette.training.run_folder import RunFolder

_log = logging.getLogger(__name__)

VIEWS_FILE = "views.png"  # the views of a result, beside its record
OF_RUN = ("revision", "machine", "versions", "started", "sessions", "times")  # of a run's manifest


@dataclass(frozen=True)
class Measured:
    """What metrics measured of one subject, by metric@version/value."""

    values: dict[str, float]
    facts: dict[str, Any]


@dataclass(frozen=True)
class SuiteMetrics:
    """The metrics of a suite, built, by their protocols.

    Args:
        by_protocol: id and version of the protocol -> metric.
        versions: distributions of the metrics, with their versions; of those in local files, the files' hashes.
    """

    by_protocol: Mapping[str, Metric]
    versions: Mapping[str, str]

    @classmethod
    def build(cls, suite: Suite) -> SuiteMetrics:
        """The metrics, each of which has the truth that it needs in all cases.

        Raises:
            ConfigError: a metric cannot be built, or a case lacks what it compares with.
        """
        metrics = {protocol_name(key, spec.name, spec.cls): spec.build() for key, spec in suite.metrics.items()}
        for metric, case in product(metrics.values(), suite.cases):
            check_truth(metric, case)
        return cls(metrics, {**distributions(suite.metrics.values()), **local_hashes(suite.metrics.values())})

    @property
    def directions(self) -> dict[str, Direction]:
        """Of all values, by name."""
        return {
            f"{name}/{key}": way
            for name, metric in self.by_protocol.items()
            for key, way in metric.directions().items()
        }

    def measure(self, subject: MeasuredSubject, case: Case, only: str = "") -> Measured:
        """Measure a subject; a value that is not finite is a fact and no value.

        Args:
            only: protocol of the one metric to ask; "": all.
        """
        chosen = {name: metric for name, metric in self.by_protocol.items() if only in ("", name)}
        values: dict[str, float] = {}
        facts: dict[str, Any] = {}
        for name, one in measure_scene(subject, chosen, case).items():
            values |= {f"{name}/{key}": value for key, value in one.values.items() if math.isfinite(value)}
            facts |= {f"{name}/{key}": fact for key, fact in one.facts.items()}
            infinite = [key for key, value in one.values.items() if not math.isfinite(value)]
            facts |= {f"{name}/not finite": infinite} if infinite else {}
        return Measured(values, facts)


@contextmanager
def any_error_as_ours(what: str) -> Iterator[None]:
    """An error of any kind that a broken mesh may bring about becomes a RunError, so that other units go on.

    Args:
        what: is measured; for the log, which has the traceback.
    """
    try:
        yield
    except MaquetteError:
        raise
    except Exception as problem:
        _log.exception("%s cannot be measured", what)
        raise RunError(f"{type(problem).__name__}: {problem}") from problem


def costs_of(run: RunFolder, alone: bool) -> dict[str, float]:
    """What a run took: seconds, cpu_seconds of its stages, peak memories in MB, and steps that were not finite.

    Args:
        run: of which the manifest is read.
        alone: whether it had a process of its own; otherwise the peak memory is that of others, too, and left out.
    """
    manifest = read_manifest(run.manifest)
    costs: dict[str, float] = {"nonfinite": float(_nonfinite_steps(run))}
    if manifest.get("sessions") == 1:  # of several, one that was killed has no time
        costs["seconds"] = float(manifest.get("wall_seconds") or 0.0)
        stages = [time for name, time in (manifest.get("times") or {}).items() if name.startswith("stage ")]
        costs["cpu_seconds"] = round(sum(float(time["cpu_seconds"]) for time in stages), 3)
    if alone:
        costs["peak_memory_mb"] = float(manifest.get("peak_memory_mb") or 0.0)
    cards = manifest.get("peak_gpu_memory_mb") or {}
    if cards:
        costs["peak_gpu_memory_mb"] = max(float(card["reserved"]) for card in cards.values())
    return costs


def manifest_of(unit: Unit, run: RunFolder, results: Path) -> dict[str, Any]:
    """What the numbers of a unit depend on, and where and when its run was made."""
    shared = shared_fingerprint(unit.fingerprint, unit.case)
    manifest = read_manifest(run.manifest)
    facts = {key: manifest[key] for key in OF_RUN if key in manifest}
    commit = str(manifest.get("revision") or "")
    return {
        **shared, **facts, "fingerprint": unit.fingerprint.digest, "of_case": case_inputs(unit),
        "dirty": commit.endswith("+"), "lock": write_lock(results / unit.suite / LOCK_FOLDER),
        "measured": measured_by(),
    }  # fmt: skip


def case_inputs(unit: Unit) -> dict[str, str]:
    """The case's own inputs: its prompt, and the hashes of its picture and data."""
    case, hashes = unit.case, unit.fingerprint.inputs
    named = {"image": hashes.get(case.image, ""), "data": hashes.get(case.data, "")}
    return {"prompt": case.prompt} | {key: value for key, value in named.items() if value}


def measured_by() -> dict[str, Any]:
    """The commit, the versions and the machine that measure."""
    return {"revision": revision(), "versions": versions(), "machine": machine()}


def write_lock(folder: Path) -> str:
    """Write the list of all installed packages to `<hash>.txt`; returns the hash. What is there is left."""
    lines = sorted({f"{one.metadata['Name']}=={one.version}" for one in installed() if one.metadata["Name"]})
    name = hash_of({"packages": lines})
    path = folder / f"{name}.txt"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, "\n".join([*lines, ""]))
    return name


def write_views(pictures: list[np.ndarray], path: Path) -> None:
    """Write pictures [H, W, 3] side by side."""
    with atomic_path(path) as place:
        Image.fromarray(to_bytes(np.concatenate(pictures, axis=1))).save(place)


def read_views(path: Path) -> list[np.ndarray]:
    """Square pictures [H, W, 3] in [0, 1] that `write_views` wrote; none if there is no file."""
    if not path.is_file():
        return []
    strip = np.asarray(Image.open(path).convert("RGB"), np.float32) / 255
    return np.split(strip, strip.shape[1] // strip.shape[0], axis=1)


def _nonfinite_steps(run: RunFolder) -> int:
    """Steps that were skipped as their loss or gradient was not finite, by the run's metrics log."""
    counts: dict[str, int] = {}
    try:
        lines = run.metrics.read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    for line in lines:
        if '"nonfinite"' in line:
            entry = json.loads(line)
            counts[str(entry.get("stage", ""))] = int(entry["nonfinite"])
    return sum(counts.values())
