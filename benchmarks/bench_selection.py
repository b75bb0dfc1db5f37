"""Speed of the selection layer on this machine's CPU: `python benchmarks/bench_selection.py`."""

from __future__ import annotations

import torch
from contests import Contest, main
from timing import Work

from maquette.kernels.selection import select


def training(way: str, batch: int, width: int, shifts: int) -> Work:
    """A step of training: the right view, and the gradient of the probabilities."""
    keyed = torch.Generator().manual_seed(0)
    image = torch.rand(batch, 3, width // 2, width, generator=keyed)
    probabilities = torch.randn(batch, shifts, width // 2, width, generator=keyed).softmax(1).requires_grad_()
    places = [float(j - shifts // 2) for j in range(shifts)]

    def work() -> object:
        return torch.autograd.grad(select(image, probabilities, places, backend=way).square().sum(), probabilities)

    return work


def frame(way: str, width: int, shifts: int) -> Work:
    """A frame at full resolution, from probabilities at a fifth of it."""
    keyed = torch.Generator().manual_seed(0)
    height = width * 9 // 16
    image = torch.rand(1, 3, height, width, generator=keyed)
    probabilities = torch.randn(1, shifts, height // 5, width // 5, generator=keyed).softmax(1)
    places = [5.0 * (j - shifts // 2) for j in range(shifts)]
    return lambda: select(image, probabilities, places, backend=way)


CONTESTS = [
    Contest(
        "selection",
        "selection of {shifts} shifts in {batch} crops, {width} wide, forward + backward",
        training,
        ways=("numba", "reference"),
        sizes={"batch": 16, "width": 128, "shifts": 13},
        small={"batch": 1, "width": 8, "shifts": 3},
    ),
    Contest(
        "selection-frame",
        "selection of {shifts} shifts in a frame, {width} wide, from a fifth of its size",
        frame,
        ways=("numba", "reference"),
        sizes={"width": 1280, "shifts": 13},
        small={"width": 40, "shifts": 3},
    ),
]

if __name__ == "__main__":
    main(CONTESTS, __doc__)
