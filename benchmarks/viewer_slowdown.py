"""By how much the viewer slows a run: python benchmarks/viewer_slowdown.py [METHOD] [STEPS] [key=value ...].

One run alternates between blocks of steps with the viewer and without it, so that what else the machine does weighs on
both alike. A process of its own connects to the viewer as a browser does and moves its camera once a second. Both the
time of the clock and the CPU time of the run's process (server and encoder included) are compared, from the end of one
step to the end of the next.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from maquette.config.loading import load_method
from maquette.pipeline import run_method
from maquette.training.observer import Interlude
from maquette.viewer.live import LiveViewer

BLOCK, WARM_UP = 15, 15  # steps
CLIENT = """
import sys, time
from viewer_client import ViewerClient
client, azimuth = ViewerClient(int(sys.argv[1])), 0.0
while True:
    time.sleep(1.0)
    azimuth += 0.2
    client.move(azimuth)
    print(len(client.pictures), client.pictures[-1].shape[0] if client.pictures else 0, flush=True)
"""


class Alternating(LiveViewer):
    """Looks in every other block of steps, and notes when each step ends."""

    def __init__(self, port: int) -> None:
        super().__init__(port=port)
        self.ends: list[tuple[float, float]] = []

    def between_steps(self, interlude: Interlude) -> None:
        """As the viewer does, in blocks with it; nothing in the others."""
        self.ends.append((time.perf_counter(), time.process_time()))
        if watched(interlude.done):
            super().between_steps(interlude)


def watched(step: int) -> bool:
    """Whether the viewer looks after this step."""
    return step // BLOCK % 2 == 1


def main(method: str = "dreamfusion", steps: str = "300", *words: str) -> None:
    """Run and print."""
    viewer: Any = Alternating(18_900)
    client = subprocess.Popen(
        [sys.executable, "-c", CLIENT, str(viewer.port)], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        overrides = [f"output={folder}", f"stages.nerf.steps={steps}", "stages.nerf.loop.preview_every=0",
                     "stages.nerf.loop.checkpoint_every=0", "~stages.export", *words]  # fmt: skip
        run_method(load_method(method, overrides), observer=viewer)
    client.terminate()
    lines = client.communicate()[0].splitlines()
    viewer.close()
    for name, clock in (("clock", 0), ("CPU", 1)):
        sums: dict[bool, list[float]] = {True: [], False: []}
        for number, (before, after) in enumerate(pairwise(viewer.ends)):
            if number >= WARM_UP:
                sums[watched(number)].append(after[clock] - before[clock])
        means = {looked: sum(values) / len(values) for looked, values in sums.items()}
        slower = means[True] / means[False] - 1
        print(f"{name}: {means[False]:.4f} s a step alone, {means[True]:.4f} s watched: {100 * slower:+.1f} %")
    print(f"pictures sent and rows of the last: {lines[-1]}; the camera moved {len(lines)} times")


if __name__ == "__main__":
    main(*sys.argv[1:])
