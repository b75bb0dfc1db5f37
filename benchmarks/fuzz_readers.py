"""Tries every reader with right and broken inputs: `python benchmarks/fuzz_readers.py --seconds 300 --seed 1`.

Right inputs come from makers that know what a right reading holds; broken ones are damaged copies of them. Each goes the
way of users, through `inspect_path` or `load_method`, in a process of its own under limits (`fuzz.sandbox`). Verdicts:
ok and refused (in one line); a finding is a traceback, a hang, too much memory, a crash, a file read outside the input's
folder (escape), a program or connection started (executed), a reading that is wrong, or a refusal of several lines.
The number of an input and the seed decide what it is; the time decides how many there are. Findings are made smaller and
written to a folder, and the exit code is 1 if there are any.
"""

from __future__ import annotations

import os

for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
    os.environ[name] = "1"
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import argparse
import json
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
from fuzz.case import Case
from fuzz.mutations import mutate
from fuzz.sandbox import FINDINGS, Sandbox, Verdict, write_secrets
from fuzz.shrinking import shrink

MAKERS: dict[Callable[[random.Random], Case], int] = {
    shapes.make_mesh: 30, shapes.make_splats: 8, scenes.make_picture: 14, scenes.make_scene: 18, models.make_lora: 6,
    models.make_prior: 4, models.make_pickle: 3, models.make_prompt: 6, models.make_words: 8, models.make_method: 7, models.make_run: 6,
}  # fmt: skip
"""Maker -> how often it is taken."""
RIGHT = 0.25  # fraction of the inputs that stay as they were made
SHRINKING = 20.0  # seconds for each finding
COLUMNS = ("ok", "refused", *FINDINGS)


def make_case(seed: int, number: int) -> Case:
    """The input of this number."""
    rng = random.Random(f"{seed}/{number}")
    maker = rng.choices(list(MAKERS), list(MAKERS.values()))[0]
    case = maker(rng)
    if rng.random() < RIGHT or maker in (models.make_prompt, models.make_words):
        return case
    if maker is models.make_method and rng.random() < 0.6:
        return models.break_method(case, rng)
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
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        sandbox = make_sandbox(Path(scratch))
        number = 0
        while time.monotonic() - start < seconds and number != most:
            case = make_case(seed, number)
            verdict = sandbox.judge(case)
            counts.setdefault(case.loader, Counter())[verdict.name] += 1
            if verdict.bad:
                kind = (verdict.name, verdict.what[:100])
                if kind not in findings:
                    findings[kind] = {
                        "number": number,
                        "loader": case.loader,
                        "verdict": verdict.name,
                        "what": verdict.what[:500],
                        "count": 0,
                    }
                    write_finding(sandbox, case, verdict, folder / f"{seed}-{number}-{verdict.name}")
                findings[kind]["count"] += 1
            number += 1
        sandbox.close()
    taken = round(time.monotonic() - start, 1)
    return {"seed": seed, "seconds": taken, "inputs": number, "counts": counts, "findings": list(findings.values())}


def make_sandbox(folder: Path) -> Sandbox:
    """A room in that folder, with all that the readers import in memory, so that it is imported once."""
    import maquette.inspection  # noqa: F401

    os.environ["MAQUETTE_CACHE"] = os.environ["HF_HOME"] = str(folder / "cache")
    warm = random.Random(0)
    for maker in MAKERS:
        place = folder / "warm" / maker.__name__
        place.mkdir(parents=True)
        read_quietly(maker(warm), place)
    sandbox = Sandbox(folder / "room")
    write_secrets(folder / "room" / "outside", scenes.encode(scenes.Image.new("RGB", (8, 6)), "PNG"))
    return sandbox


def read_quietly(case: Case, folder: Path) -> None:
    """Read an input for the sake of what is imported; pickles, which might run, are left out."""
    from maquette.config.loading import load_method
    from maquette.errors import MaquetteError
    from maquette.inspection import inspect_path

    case.write(folder)
    try:
        if case.words is None and case.loader != "pickle":
            inspect_path(str(folder / case.target))
        elif case.words is not None and case.target not in case.files:
            load_method(case.target, ["prompt=x"])
    except MaquetteError:
        return


def write_finding(sandbox: Sandbox, case: Case, verdict: Verdict, folder: Path) -> None:
    """Write an input, made smaller where it fails alike, with what came of it."""

    def fails(smaller: Case) -> bool:
        again = sandbox.judge(smaller)
        return (again.name, again.what[:100]) == (verdict.name, verdict.what[:100])

    smaller = case if verdict.name == "wrong" and case.expected else shrink(case, fails, SHRINKING)
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "files").mkdir(parents=True)
    smaller.write(folder / "files")
    (folder / "case.json").write_text(smaller.note())
    text = f"{verdict.name}: {verdict.what}\n\n{verdict.details}\n"
    (folder / "verdict.txt").write_text(text, encoding="utf-8", errors="backslashreplace")
    print(f"{folder.name}: {verdict.what[:300]}".encode("ascii", "backslashreplace").decode(), flush=True)


def table(counts: dict[str, Counter[str]]) -> str:
    """Loaders in rows, verdicts in columns."""
    rows = [("loader", *COLUMNS)]
    rows += [(loader, *(str(counts[loader][name] or "-") for name in COLUMNS)) for loader in sorted(counts)]
    total = sum(counts.values(), Counter())
    rows.append(("all", *(str(total[name] or "-") for name in COLUMNS)))
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
    print(table(record["counts"]))
    print(
        f"{record['inputs']} inputs in {record['seconds']} seconds, seed {options.seed}: {len(record['findings'])} findings"
    )
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(record, indent=1) + "\n")
    return int(bool(record["findings"]))


if __name__ == "__main__":
    sys.exit(main())
