"""How long the leaderboard's page of 1,000 results takes to open in Chromium, from a file URL.

    python benchmarks/site_opening.py                       # 25 methods x 40 cases, 14 figures each, pictures
    python benchmarks/site_opening.py --out benchmarks/results/site.json

The records are made up, of random figures; the page is the one that `maquette leaderboard build` writes. Opened is: the
table is there and sorted, the plot is drawn, and the units of the first case stand in the gallery. Their pictures are
loaded when they come near the window.
"""

from __future__ import annotations

import json
import shutil
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import typer
from PIL import Image

from maquette.bench.records import Record, write_record
from maquette.bench.site import build_site
from maquette.bench.units import unit_place
from maquette.files import file_hash
from maquette.metrics.base import Case
from maquette.training.manifest import machine, revision, versions

FIGURES = 14
OPENED = """
document.querySelectorAll("#methods tr").length === METHODS && document.querySelector("[aria-sort]") !== null
  && document.querySelector("#plot svg") !== null && document.querySelectorAll("#gallery figure").length === METHODS + 2
"""
BAR_SECONDS = 2.0


def write_records(results: Path, methods: int, cases: int) -> None:
    """Records of random figures, each with a picture of noise."""
    generator = np.random.default_rng(0)
    picture, here = results / "noise.png", machine()
    results.mkdir(parents=True)
    Image.fromarray(generator.integers(190, 254, (128, 512, 3), np.uint8)).save(picture)
    picture_hash = file_hash(picture)
    names = [f"metric-{i // 3}@1/value {i}" for i in range(FIGURES)]
    better = dict.fromkeys(names, "higher")
    strength = generator.random(methods)
    rows = [("oracle", 2.0, "baseline"), *((f"method-{i:02}", s, "run") for i, s in enumerate(strength))]
    for method, mean, source in [*rows, ("trivial", -1.0, "baseline")]:
        for number in range(cases):
            case = Case(f"an object of number {number}")
            folder = results / unit_place("large@1", method, "0" * 16, case, 0)
            folder.mkdir(parents=True)
            shutil.copyfile(picture, folder / "views.png")
            record = Record(
                "large@1", "0" * 16, method, "0" * 16, case.title, 0, source, "done",
                values={name: float(mean + generator.normal(0, 0.3)) for name in names}, better=better,
                costs={"seconds": float(20 * np.exp(mean + generator.normal(0, 0.1))), "peak_memory_mb": 2000.0},
                predictions={"views.png": picture_hash},
                manifest={"machine": here, "distributions": {"maquette": "1"}},
            )  # fmt: skip
            write_record(record, folder)


def open_page(page: Any, address: str, methods: int) -> float:
    """Seconds from the call of the address to a page that shows what is said above."""
    begun = time.perf_counter()
    page.goto(address)
    while not page.evaluate(OPENED.replace("METHODS", str(methods))):
        time.sleep(0.01)
    return time.perf_counter() - begun


def main(
    methods: Annotated[int, typer.Option(help="rows")] = 25,
    cases: Annotated[int, typer.Option(help="of each")] = 40,
    repeats: Annotated[int, typer.Option(help="openings, each by a new browser")] = 5,
    out: Annotated[Path | None, typer.Option(help="JSON file to write")] = None,
) -> None:
    """Build a site and open it."""
    from playwright.sync_api import sync_playwright

    with TemporaryDirectory() as place, sync_playwright() as started:
        write_records(Path(place) / "results", methods, cases)
        begun = time.process_time()
        site = build_site([Path(place) / "results"], Path(place) / "site")
        building = time.process_time() - begun
        page_file = site.index.parent / "large-1" / "index.html"
        seconds = []
        for _ in range(repeats):
            browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            seconds.append(
                open_page(browser.new_page(viewport={"width": 1440, "height": 900}), page_file.as_uri(), methods)
            )
            browser.close()
        sizes = {path.name: path.stat().st_size for path in (page_file, page_file.with_name("data.js"))}
    facts = {
        "results": site.results, "open_seconds": [round(one, 3) for one in seconds],
        "median_seconds": round(statistics.median(seconds), 3), "bar_seconds": BAR_SECONDS,
        "build_cpu_seconds": round(building, 1), "bytes": sizes, "machine": machine(), "revision": revision(),
        "versions": versions(),
    }  # fmt: skip
    print(json.dumps(facts, indent=1))
    if out is not None:
        out.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
