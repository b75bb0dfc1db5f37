"""Tries every reader with right and broken inputs: `python benchmarks/fuzz_readers.py --seconds 300 --seed 1`.

Right inputs come from makers that know what a right reading holds; broken ones are damaged copies of them. Each goes
the way of users, through `inspect_path` or `load_method`, in a process of its own under limits (`fuzz.sandbox`).
Verdicts: ok and refused (in one line); a finding is a traceback, a hang, too much memory, a crash, a file read or
written outside the input's folder (escape), a program or connection started (executed), a reading that is wrong, or a
refusal of several lines. The seed and the number of an input decide what it is; the time decides how many there are.
Findings are made smaller and written to a folder, and the exit code is 1 if there are any.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fuzz import models, scenes, shapes
from fuzz.case import Case, shrink
from fuzz.judging import READERS, Wrong
from fuzz.mutations import mutate
from fuzz.sandbox import FINDINGS, Sandbox, Verdict

MAKERS: dict[Callable[[random.Random], Case], int] = {
    shapes.make_mesh: 30, shapes.make_points: 8, scenes.make_picture: 14, scenes.make_image: 8, scenes.make_scene: 18,
    models.make_lora: 6, models.make_prior: 5, models.make_embeddings: 3, models.make_pickle: 3, models.make_prompt: 5,
    models.make_words: 8, models.make_method: 9, models.make_run: 5,
}  # fmt: skip
"""Maker -> how often it is taken."""
WHOLE = (models.make_prompt, models.make_words, models.make_method)
"""Makers whose inputs are not damaged any further, or seldom."""
RIGHT = 0.35  # fraction of the inputs that stay as they were made
SHRINKING = 20.0  # seconds for each finding
COLUMNS = ("ok", "refused", *FINDINGS)


def make_case(seed: int, number: int) -> Case:
    """The input of this number."""
    rng = random.Random(f"{seed}/{number}")
    maker = rng.choices(list(MAKERS), list(MAKERS.values()))[0]
    case = maker(rng)
    if rng.random() < (0.8 if maker in WHOLE else RIGHT) or not case.files:
        return case
    for _ in range(rng.choice((1, 1, 1, 2))):
        case = mutate(case, rng, [case, shapes.make_mesh(rng), scenes.make_picture(rng)])
    return case


def fuzz(seed: int, seconds: float, folder: Path, most: int | None = None) -> dict[str, Any]:
    """Try inputs until the time is over, and write findings to `folder`; returns the record.

    Args:
        most: number of inputs after which it ends in any case.
    """
    counts: dict[str, Counter[str]] = {}
    findings: dict[tuple[str, str], dict[str, Any]] = {}
    number = 0
    with tempfile.TemporaryDirectory() as scratch:
        sandbox, start = make_sandbox(Path(scratch)), time.monotonic()
        while time.monotonic() - start < seconds and number != most:
            case = make_case(seed, number)
            verdict = sandbox.judge(case)
            counts.setdefault(case.loader, Counter())[verdict.name] += 1
            kind = (verdict.name, verdict.what[:100])
            if verdict.bad and kind not in findings:
                findings[kind] = {"number": number, "verdict": verdict.name, "what": verdict.what[:500], "count": 0}
                write_finding(sandbox, case, verdict, folder / f"{seed}-{number}-{verdict.name}")
            if verdict.bad:
                findings[kind]["count"] += 1
            number += 1
        sandbox.close()
    taken = round(time.monotonic() - start, 1)
    return {"seed": seed, "seconds": taken, "inputs": number, "counts": counts, "findings": list(findings.values())}


def make_sandbox(folder: Path) -> Sandbox:
    """A room in that folder; what the readers import is imported here, once, by reading an input of each maker."""
    from maquette.errors import MaquetteError

    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["MAQUETTE_CACHE"] = os.environ["HF_HOME"] = str(folder / "cache")
    for maker in set(MAKERS) - {models.make_pickle}:  # which might run
        case, place = maker(random.Random(0)), folder / "warm" / maker.__name__
        place.mkdir(parents=True)
        case.write(place)
        with contextlib.suppress(MaquetteError, Wrong):
            READERS[case.reader](case, place)
    return Sandbox(folder / "room", scenes.encode(scenes.Image.new("RGB", scenes.SIDE), "PNG"))


def write_finding(sandbox: Sandbox, case: Case, verdict: Verdict, folder: Path) -> None:
    """Write an input, made smaller where it fails alike, with what came of it."""

    def fails(smaller: Case) -> bool:
        again = sandbox.judge(smaller)
        return (again.name, again.what[:100]) == (verdict.name, verdict.what[:100])

    smaller = case if verdict.name == "wrong" and case.expected else shrink(case, fails, SHRINKING)
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "files").mkdir(parents=True)
    smaller.write(folder / "files")
    call = {"target": smaller.target, "links": dict(smaller.links), "words": smaller.words, "reader": smaller.reader}
    text = f"{verdict.name}: {verdict.what}\n{json.dumps(call)}\n\n{verdict.details}\n"
    (folder / "verdict.txt").write_text(text, encoding="utf-8", errors="backslashreplace")
    print(f"{folder.name}: {verdict.what[:300]!a}", flush=True)


def table(counts: dict[str, Counter[str]]) -> str:
    """Loaders in rows, verdicts in columns."""
    counts = {**dict(sorted(counts.items())), "all": sum(counts.values(), Counter())}
    rows = [("", *COLUMNS), *((name, *(str(row[key] or "-") for key in COLUMNS)) for name, row in counts.items())]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--number", type=int, help="judge this input alone, and print what comes of it")
    parser.add_argument("--folder", type=Path, default=Path("outputs/fuzz"), help="where findings are written")
    parser.add_argument("--json", type=Path, help="where the record is written")
    options = parser.parse_args()
    if options.number is not None:
        with tempfile.TemporaryDirectory() as scratch:
            sandbox = make_sandbox(Path(scratch))
            verdict = sandbox.judge(make_case(options.seed, options.number))
            sandbox.close()
        print(f"{verdict.name}: {verdict.what}\n{verdict.details}".encode("ascii", "backslashreplace").decode())
        return int(verdict.bad)
    record = fuzz(options.seed, options.seconds, options.folder)
    number = len(record["findings"])
    print(table(record["counts"]))
    print(f"{record['inputs']} inputs in {record['seconds']} seconds, seed {record['seed']}: {number} findings")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(record, indent=1) + "\n")
    return int(bool(number))


if __name__ == "__main__":
    sys.exit(main())
