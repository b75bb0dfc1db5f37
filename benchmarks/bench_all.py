"""All of them in one go: `python benchmarks/bench_all.py --json benchmarks/results/kernels.json`."""

from __future__ import annotations

import bench_hash_grid
import bench_landscapes
import bench_nano_world
import bench_rasterise
import bench_selection
import bench_splatting
import bench_surfaces
import bench_volume
from contests import main

SUITES = (
    bench_hash_grid,
    bench_volume,
    bench_rasterise,
    bench_splatting,
    bench_surfaces,
    bench_selection,
    bench_nano_world,
    bench_landscapes,
)
CONTESTS = [contest for suite in SUITES for contest in suite.CONTESTS]

if __name__ == "__main__":
    main(CONTESTS, __doc__)
