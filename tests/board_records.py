"""Records of one or two figures as files, for boards and their site."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import numpy as np
from PIL import Image

from maquette.bench.records import Record, find_records, read_record, write_failure, write_record
from maquette.bench.units import unit_place
from maquette.metrics.base import Case

BETTER = {"refview@2/psnr": "higher", "volume-iou@1/iou": "higher", "surface-distance@1/chamfer": "lower"}


def put(
    results: Path, method: str, case: str, values: dict[str, float], seed: int = 0, suite: str = "objects@1",
    picture: bool = False, written: float | None = None, **more,
) -> Record:  # fmt: skip
    """Write one record as a suite does; without values, that of a failure."""
    baseline = method in ("oracle", "trivial")
    made = Record(
        suite, "d" * 16, method, more.pop("config_hash", "c" * 16), case, seed, "baseline" if baseline else "run",
        more.pop("status", "done" if values else "failed"), values=values, better=BETTER,
        manifest=more.pop("manifest", {"subject": "ball"} if baseline else {}), **more,
    ).sealed()  # fmt: skip
    folder = results / unit_place(suite, method, made.config_hash, Case(case), seed)
    if picture:
        folder.mkdir(parents=True)
        Image.fromarray(np.full((128, 512, 3), 255, np.uint8)).save(folder / "views.png")
    path = (write_record if made.status != "failed" else write_failure)(made, folder)
    if written is not None:
        os.utime(path, (written, written))
    return made


def values(psnr: float) -> dict[str, float]:
    """Three figures that agree on which object is the better one."""
    return {"refview@2/psnr": psnr, "volume-iou@1/iou": psnr / 40, "surface-distance@1/chamfer": 1 / psnr}


def put_baselines(results: Path, cases: list[str]) -> None:
    """The oracle and the trivial row of each case."""
    for case in cases:
        put(results, "oracle", case, values(40.0))
        put(results, "trivial", case, values(5.0))


def records_of(results: Path, method: str = "tiny") -> list[Path]:
    return [path for path in find_records(results) if read_record(path).method == method]


def rewritten(path: Path, **changes) -> Record:
    """A record with changed keys and the digest that belongs to them: what a careful forger does."""
    record = dataclasses.replace(read_record(path), **changes).sealed()
    path.write_text(json.dumps(dataclasses.asdict(record)))
    return record
