"""Fills the disk under a run and goes on with it after room is made: `python benchmarks/full_disk.py`.

Every write event of a run in turn is the first that finds the disk full. With `--disk FOLDER` the runs write to a small
file system of its own (`mount -t tmpfs -o size=20m tmpfs FOLDER`), of which a growing part is free. Each run has to end
with one line instead of a traceback, and to resume to the same bits.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from interrupted import METHODS, compare_after, maquette, words_of
from kills import reference
from same_bits import make_inputs

from maquette.training.manifest import machine, revision


def judge(output: Path, first: Any, words: list[str], expected: dict[str, Any]) -> list[str]:
    """Go on with an interrupted run; what is wrong with how it ended and how it went on."""
    lines = [line for line in first.stderr.splitlines() if line.startswith("error: ")]
    problems = compare_after(first, words, output, expected)
    if first.returncode and len(lines) != 1:
        problems.append(f"not one line of error: {first.stderr.strip().splitlines()[-3:]}")
    return problems


def full_from_event(method: str, event: int, folder: Path, expected: dict[str, Any]) -> dict[str, Any]:
    """The disk is full from a write event on."""
    output = folder / method / f"{event:04d}"
    output.mkdir(parents=True)
    words = words_of(method, output, folder)
    first = maquette(words, (str(output), str(event), "FULL"))
    problems = judge(output, first, words, expected)
    shutil.rmtree(output)
    return {"event": event, "code": first.returncode, "problems": problems}


def full_after_bytes(method: str, free: int, disk: Path, folder: Path, expected: dict[str, Any]) -> dict[str, Any]:
    """The disk has so many bytes left when the run begins."""
    output, filler = disk / "output", disk / "filler"
    output.mkdir(parents=True)
    words = words_of(method, output, folder)
    with filler.open("wb") as stream:
        stream.write(b"\0" * max(0, shutil.disk_usage(disk).free - free))
    first = maquette(words)
    filler.unlink()
    problems = judge(output, first, words, expected)
    shutil.rmtree(output)
    return {"free": free, "code": first.returncode, "problems": problems}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", choices=METHODS, default="dreamfusion")
    parser.add_argument("--disk", type=Path, help="a small file system to fill; else every write event in turn")
    parser.add_argument("--every", type=int, default=1, help="of so many write events or kilobytes one")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time, each on one thread")
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as place, ThreadPoolExecutor(1 if options.disk else options.jobs) as pool:
        folder = Path(place)
        make_inputs(folder)
        expected, events = reference(options.method, folder)
        if options.disk:
            size = sum(p.stat().st_size for p in (folder / options.method).rglob("*") if p.is_file())
            places = range(0, size, 1024 * options.every)
            tasks = [pool.submit(full_after_bytes, options.method, n, options.disk, folder, expected) for n in places]
        else:
            places = range(1, events + 1, options.every)
            tasks = [pool.submit(full_from_event, options.method, n, folder, expected) for n in places]
        rows = []
        for task in tasks:
            rows.append(task.result())
            print(f"{len(rows)}/{len(tasks)}", *rows[-1].values(), flush=True)
    good = sum(not row["problems"] for row in rows)
    print(f"{good} of {len(rows)} ended with one line and resumed to the same bits")
    if options.json:
        seconds = round(time.perf_counter() - started)
        record = {"method": options.method, "runs": len(rows), "good": good, "seconds": seconds, "rows": rows}
        options.json.write_text(json.dumps(record | {"revision": revision(), "machine": machine()}, indent=1) + "\n")
    return good != len(rows)


if __name__ == "__main__":
    sys.exit(main())
