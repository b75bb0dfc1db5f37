"""Speed of the nano world's tracer: `python benchmarks/bench_nano_world.py`.

Views with colour, opacity, depth and normals, 2 x 2 supersampled, of an object of each category. Beside it runs the
floor: one evaluation of the exact distance at as many points as the views have rays. A sphere tracer that visited every
ray alike would take tens of them.
"""

from __future__ import annotations

import numpy as np
from contests import Contest, main
from timing import Work

from maquette_nano import world
from maquette_nano.world.categories import CATEGORIES

TRACER, FLOOR = "tracer", "one distance a ray"


def trace(way: str, size: int, views: int) -> Work:
    """All the views, or the distances of as many points."""
    objects = [world.make_object(name, "red", "blue", "dots", 0) for name in CATEGORIES]
    c2w = np.stack([world.orbit_c2w(360 * view / views, 20, 3.2) for view in range(views)])
    points = np.random.default_rng(0).uniform(-1, 1, (size**2 * 4 * views, 3)).astype(np.float32)
    if way == FLOOR:
        return lambda: [obj.sdf(points) for obj in objects]
    return lambda: [world.render(obj, c2w, 35.0, size) for obj in objects]


CONTESTS = [
    Contest(
        "nano-world",
        "{views} views of {size} x {size} of each category of the nano world",
        trace,
        ways=(TRACER, FLOOR),
        sizes={"size": 64, "views": 4},
        small={"size": 4, "views": 1},
    )
]

if __name__ == "__main__":
    main(CONTESTS, __doc__)
