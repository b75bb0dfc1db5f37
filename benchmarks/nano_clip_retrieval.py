"""How well the nano image-text encoder retrieves captions from true, held-out pictures: the ceiling of its R-Precision.

`python benchmarks/nano_clip_retrieval.py` renders objects of the test split (pairs of category and colour that no
training saw) from eight sides and measures them as the suite `nano-text` measures what a method made. The result goes
to `benchmarks/results/nano-clip.json`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from maquette.bench.statistics import mean_with_interval
from maquette.bench.suites import load_suite
from maquette.metrics.base import Case
from maquette.training.manifest import machine, revision, versions
from maquette_nano import world
from maquette_nano.renders import DISTANCE, FOV_DEG

LIGHT_GREY = 0.85


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=400, help="test objects")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "nano-clip.json")
    options = parser.parse_args()
    spec = load_suite("nano-text").metrics["r-precision"]
    metric = spec.build()
    count, elevation = spec.config.views, spec.config.elevation_deg
    c2w = np.stack([world.orbit_c2w(360 * i / count, elevation, DISTANCE) for i in range(count)])
    rows, wrong = [], []
    for index in range(options.objects):
        obj = world.sample_object(index, "test")
        rgb = world.render(obj, c2w, FOV_DEG, 64).picture.over(LIGHT_GREY).numpy()
        case = Case(obj.caption(), {"category": obj.category, "colour": obj.body})
        result = metric.judge(rgb, case)
        rows.append(result.values)
        if result.values["category+colour, pooled"] < 1:
            wrong.append({"object": obj.caption(), "retrieved": result.facts["retrieved, pooled"]})
    summary = {name: mean_with_interval([row[name] for row in rows]) for name in rows[0]}
    for name, value in summary.items():
        print(f"{name}: {value['mean']:.3f} {value['interval_95']}")
    facts = {"objects": options.objects, "revision": revision(), "versions": versions(), "machine": machine()}
    options.out.parent.mkdir(exist_ok=True)
    options.out.write_text(json.dumps({"summary": summary, "wrong, pooled": wrong, **facts}, indent=1))


if __name__ == "__main__":
    main()
