"""A fan-out of 42 units of which six are killed in mid-run: are there 42 results, equal to those of an undisturbed run?

    python benchmarks/fan_out.py                              # processes of their own
    python benchmarks/fan_out.py --executor ray               # actors of a Ray cluster of two nodes on this machine
    python benchmarks/fan_out.py --executor ray --kills 0     # what Ray adds to a case
    python benchmarks/fan_out.py --out benchmarks/results/fan-out.json

Three settings of a method of 150 tiny steps, seven pictures and two seeds. Killed (SIGKILL) is a process that has
written a checkpoint and goes on. The same suite without kills, one run after the other in this process, gives the
values to compare. What an executor adds to a case is the time from its call to its return, less the same of that
undisturbed run, each the least of all units, as the machine is busy with other things.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal

import numpy as np
import typer
from PIL import Image

from maquette.bench.records import RECORD_FILE, Record, find_records, read_record
from maquette.bench.running import run_suite
from maquette.bench.suites import Suite, load_suite
from maquette.runs.executors import Children, Inline, Start
from maquette.runs.failures import Failure, Limits
from maquette.runs.ray_executor import RayCluster
from maquette.training.manifest import machine, revision, versions

METHOD = """
name: tiny
image: ???
stages:
  nerf:
    type: optimise
    steps: 150
    data: {type: image, path: "${image}", size: 16, depth: "", normal: ""}
    geometry: {type: voxel-grid, resolution: 12}
    material: plain
    background: solid
    renderer: {type: volume, samples: 8}
    losses: {rgb: {weight: 1.0}}
    loop: {device: cpu, log_every: 0, preview_every: 0, checkpoint_every: 10}
"""
SUITE = """
name: fan-out
summary: 42 units
methods:
  a: {method: ./tiny.yaml}
  b: {method: ./tiny.yaml, overrides: [stages.nerf.geometry.resolution=10]}
  c: {method: ./tiny.yaml, overrides: [stages.nerf.renderer.samples=12]}
seeds: [0, 1]
limits: {lost: 6}
metrics: {refview: {size: 16}}
cases:
"""
PICTURES = 7
Place = tuple[str, str, int]


def write_suite(folder: Path) -> Suite:
    """The suite, its method, and pictures of discs."""
    axis = np.arange(16) - 7.5
    names = [f"disc-{i}" for i in range(PICTURES)]
    for i, name in enumerate(names):
        rgba = np.zeros((16, 16, 4), np.uint8)
        rgba[np.hypot(axis[:, None], axis) < 3 + i / 2] = (200, 30 * i, 40, 255)
        Image.fromarray(rgba).save(folder / f"{name}.png")
    (folder / "tiny.yaml").write_text(METHOD)
    (folder / "fan-out.yaml").write_text(SUITE + "".join(f"  - {{image: {name}.png}}\n" for name in names))
    return load_suite(str(folder / "fan-out.yaml"))


def writers(runs: Path) -> dict[int, Path]:
    """Processes that have the log of a run open, other than this one -> the job's folder."""
    processes = {}
    for place in Path("/proc").glob("[0-9]*"):
        if int(place.name) == os.getpid():
            continue
        try:
            logs = [link.readlink() for link in place.joinpath("fd").iterdir()]
        except OSError:
            continue
        processes |= {int(place.name): log.parent for log in logs if log.name == "log.txt" and runs in log.parents}
    return processes


def timed(executor: type[Any], seconds: list[float]) -> None:
    """Have an executor note the wall time of each attempt that succeeds."""
    attempt = executor.attempt

    def attempt_and_note(self: Any, start: Start, limits: Limits) -> Failure | None:
        begun = time.perf_counter()
        failure: Failure | None = attempt(self, start, limits)
        if failure is None:
            seconds.append(time.perf_counter() - begun)
        return failure

    executor.attempt = attempt_and_note


class Killer(threading.Thread):
    """Kills processes in the middle of their runs, each time one of another unit."""

    def __init__(self, runs: Path, kills: int) -> None:
        super().__init__(daemon=True)
        self.runs, self.kills = runs, kills
        self.killed: list[str] = []

    def run(self) -> None:
        """Until as many are killed."""
        while len(self.killed) < self.kills:
            for process, job in writers(self.runs).items():
                if job.name in self.killed or not list(job.glob("*/*/*/checkpoints/nerf/step-*")):
                    continue
                os.kill(process, signal.SIGKILL)
                self.killed.append(job.name)
                time.sleep(0.5)
                break
            time.sleep(0.02)


def records_of(results: Path) -> list[Record]:
    """The records of success of the methods."""
    records = [read_record(path) for path in find_records(results) if path.name == RECORD_FILE]
    return [record for record in records if record.source == "run"]


def by_place(records: list[Record]) -> dict[Place, dict[str, float]]:
    """Values by method, case and seed."""
    return {(record.method, record.case, record.seed): record.values for record in records}


def main(
    executor: Annotated[Literal["process", "ray"], typer.Option(help="of the units")] = "process",
    kills: Annotated[int, typer.Option(help="processes to kill")] = 6,
    jobs: Annotated[int, typer.Option(help="at a time")] = 2,
    out: Annotated[Path | None, typer.Option(help="JSON file to write")] = None,
) -> None:
    """Run the suite with and without kills, and compare."""
    with TemporaryDirectory() as place:
        folder = Path(place).resolve()
        suite, cluster = write_suite(folder), start_cluster() if executor == "ray" else None
        theirs, calm = list[float](), list[float]()
        timed(RayCluster if executor == "ray" else Children, theirs)
        timed(Inline, calm)
        begun = time.perf_counter()
        killer = Killer(folder / "runs", kills)
        killer.start()
        done = run_suite(
            suite,
            folder / "runs",
            folder / "results",
            jobs,
            executor=executor,
            address=cluster.address if cluster else "",
        )
        wall = time.perf_counter() - begun
        run_suite(suite, folder / "calm", folder / "expected", executor="inline")
        records, expected = records_of(folder / "results"), by_place(records_of(folder / "expected"))
    facts: dict[str, Any] = {
        "executor": executor, "units": len(done.rows), "kills": len(killer.killed), "records": len(records),
        "unique": len(by_place(records)), "failed": len(done.failed),
        "attempts_lost": sum(attempt.kind == "lost" for record in records for attempt in record.attempts),
        "equal_to_an_undisturbed_run": by_place(records) == expected,
        "wall_seconds": round(wall, 1), "least_seconds_of_a_case": round(min(theirs), 3),
        "least_seconds_in_this_process": round(min(calm), 3), "added_seconds": round(min(theirs) - min(calm), 3),
        "sessions": Counter(record.manifest.get("sessions") for record in records),
        "machine": machine(), "revision": revision(), "versions": versions(),
    }  # fmt: skip
    print(json.dumps(facts, indent=1))
    if out is not None:
        out.write_text(json.dumps(facts, indent=1) + "\n")
    if facts["unique"] != 42 or len(records) != 42 or not facts["equal_to_an_undisturbed_run"]:
        raise typer.Exit(1)


def start_cluster() -> Any:
    """A Ray cluster of two nodes of one core each."""
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112  # else others come first on a busy machine
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    cluster.add_node(num_cpus=1)
    return cluster


if __name__ == "__main__":
    typer.run(main)
