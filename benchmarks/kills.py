"""Kills runs at random write events and resumes them: `python benchmarks/kills.py --kills 60 --json kills.json`.

Each method runs once without interruption. Then runs of it are ended by SIGKILL, SIGTERM, SIGINT, SIGHUP, or by SIGINT
twice, at a random write event, resumed, and compared: weights, moments, random states, metrics and exported files have
to be the same bits, and nothing may be left behind.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from interrupted import METHODS, compare_after, maquette, run_folder, state_of, words_of
from same_bits import make_inputs

from maquette.training.manifest import machine, revision

ACTIONS = ("KILL", "KILL", "TERM", "INT", "INT-TWICE", "HUP")  # KILL is what schedulers and full memories do


def reference(method: str, folder: Path) -> tuple[dict[str, Any], int]:
    """The state that an uninterrupted run ends with, and the number of its write events."""
    output = folder / method / "whole"
    output.mkdir(parents=True)
    done = maquette(words_of(method, output, folder), (str(output), "0", "COUNT"))
    run = run_folder(output)
    if done.returncode or run is None:
        raise SystemExit(f"{method} fails by itself:\n{done.stdout}{done.stderr}")
    count = re.search(r"write events: (\d+)", done.stdout)
    assert count is not None
    return state_of(run), int(count[1])


def kill(method: str, event: int, action: str, number: int, folder: Path, expected: dict[str, Any]) -> dict[str, Any]:
    """Interrupt a run, go on with it, and compare."""
    output = folder / method / f"{number:03d}"
    output.mkdir(parents=True)
    words = words_of(method, output, folder)
    first = maquette(words, (str(output), str(event), action))
    problems = compare_after(first, words, output, expected)
    shutil.rmtree(output)
    return {
        "method": method, "event": event, "action": action, "code": first.returncode, "problems": problems,
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time, each on one thread")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args()
    draws, started = random.Random(options.seed), time.perf_counter()
    with tempfile.TemporaryDirectory() as place, ThreadPoolExecutor(options.jobs) as pool:
        folder = Path(place)
        make_inputs(folder)
        whole = dict(zip(options.methods, pool.map(lambda name: reference(name, folder), options.methods), strict=True))
        tasks = []
        for number in range(options.kills):
            method = options.methods[number % len(options.methods)]
            expected, events = whole[method]
            event, action = draws.randint(1, events), draws.choice(ACTIONS)
            tasks.append(pool.submit(kill, method, event, action, number, folder, expected))
        rows = []
        for task in tasks:
            rows.append(task.result())
            print(f"{len(rows)}/{options.kills}", *rows[-1].values(), flush=True)
    bad = [row for row in rows if row["problems"]]
    record = {
        "seed": options.seed, "kills": len(rows), "same_bits": len(rows) - len(bad),
        "by_action": Counter(row["action"] for row in rows), "by_method": Counter(row["method"] for row in rows),
        "write_events": {method: events for method, (_, events) in whole.items()},
        "seconds": round(time.perf_counter() - started), "revision": revision(), "machine": machine(), "rows": rows,
    }  # fmt: skip
    print(f"{record['same_bits']} of {record['kills']} resumed to the same bits, with nothing left behind")
    if options.json:
        options.json.write_text(json.dumps(record, indent=1) + "\n")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
