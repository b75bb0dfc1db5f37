"""What a CUDA card does with maquette, in ten minutes: `python benchmarks/gpu_check.py --json gpu-check.json`.

Kernels against their references, priors of the published shapes with random weights (nothing is downloaded), whole
stages, resuming, memory. Each block stands on its own: one that fails leaves the rest, and the record is written
whenever one is done. A block that would not end within the budget is not begun.

    python benchmarks/gpu_check.py --shapes tiny --device cpu        # a minute: do all blocks run?
    python benchmarks/gpu_check.py --blocks kernels sds --budget 120
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

import torch
from gpu_blocks import dtype, guided, kernels, runs
from gpu_blocks.record import Block, Record, Setting

BLOCKS = [
    Block("kernels", 20, kernels.agreement_and_speed),
    Block("second-order", 30, kernels.normals),
    Block("raster", 20, kernels.raster),
    Block("sds", 90, guided.sds),
    Block("dtype", 40, dtype.half_and_full),
    Block("mvdream", 60, guided.mvdream),
    Block("zero123", 45, guided.zero123),
    Block("vsd", 60, guided.vsd),
    Block("sdxl", 90, guided.sdxl),
    Block("stages", 60, runs.stages),
    Block("resume", 60, runs.resume),
    Block("memory", 1, runs.memory),
]
"""In order of worth, with the seconds that each takes on an H100 at the published shapes, by estimate."""


def main() -> int:
    """Run the blocks; 1 where one raised or missed a bar."""
    options = arguments()
    setting = Setting(torch.device(options.device), options.shapes == "tiny", options.folder)
    record = Record(options.json, setting, options.budget, options.again)
    waiting = [block for block in BLOCKS if block.name in options.blocks]
    while waiting:
        record.run(waiting.pop(0))
        if waiting and not record.device_answers():  # a broken context fails all that comes after it in this process
            rest = ["--blocks", *(block.name for block in waiting), "--again", "--budget", str(record.seconds_left())]
            same = ["--json", options.json, "--folder", options.folder, "--shapes", options.shapes]
            words = [sys.executable, __file__, *map(str, [*same, "--device", options.device, *rest])]
            os.execv(sys.executable, words)
    return record.close()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [block.name for block in BLOCKS]
    parser.add_argument("--blocks", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--budget", type=float, default=600, help="seconds for all blocks [600]")
    parser.add_argument("--shapes", choices=["published", "tiny"], default="published")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--json", type=Path, default=Path("gpu-check.json"), help="the record [gpu-check.json]")
    parser.add_argument("--folder", type=Path, help="for weights and runs [a new one for temporary files]")
    parser.add_argument("--again", action="store_true", help="keep the blocks that the record holds already")
    options = parser.parse_args()
    options.folder = options.folder or Path(tempfile.mkdtemp(prefix="gpu-check-"))
    return options


if __name__ == "__main__":
    sys.exit(main())
