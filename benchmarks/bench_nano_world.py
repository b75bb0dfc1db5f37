"""Speed of the nano world's tracer: `python benchmarks/bench_nano_world.py`.

Renders views with colour, opacity, depth and normals, 2 x 2 supersampled, of objects of all categories. Beside it, in
the same rounds, runs the floor: one evaluation of the exact distance at as many points as a view has rays. A sphere
tracer that visited every ray alike would take tens of them.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np

from maquette_nano import world
from maquette_nano.world.categories import CATEGORIES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=64, help="side of a view in pixels")
    parser.add_argument("--rounds", type=int, default=5, help="measured rounds")
    options = parser.parse_args()
    things = [world.make_object(name, "red", "blue", "dots", 0) for name in CATEGORIES]
    c2w = np.stack([world.orbit_c2w(azimuth, 20, 3.2) for azimuth in (0, 90, 180, 270)])
    points = np.random.default_rng(0).uniform(-1, 1, (options.size**2 * 4, 3)).astype(np.float32)
    views, steps = [], []
    for _ in range(options.rounds + 1):
        begin = time.perf_counter()
        for thing in things:
            world.render(thing, c2w, 35.0, options.size)
        views.append(1000 * (time.perf_counter() - begin) / (len(things) * len(c2w)))
        begin = time.perf_counter()
        for thing in things:
            thing.sdf(points)
        steps.append(1000 * (time.perf_counter() - begin) / len(things))
    view, step = (statistics.median(times[1:]) for times in (views, steps))
    print(f"| a view of {options.size} x {options.size}, 2 x 2 supersampled | {view:.2f} ms |")
    print(f"| one distance evaluation of its {len(points)} rays | {step:.2f} ms |")
    print(f"| ratio | {view / step:.2f} |")


if __name__ == "__main__":
    main()
