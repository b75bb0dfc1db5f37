"""Speed and memory of splatting on this machine's CPU: `python benchmarks/bench_splatting.py`.

Backends, and gsplat's torch functions where gsplat can be imported, alternate within each round, so that a busy machine
slows all of them alike. A round is projection, picture and gradients of all inputs. gsplat's torch functions ask for
the pairs of pixel and Gaussian that contribute, which its CUDA code finds: "gsplat" finds them with tiled torch in each
round; "gsplat, given pairs" is handed them beforehand, and so is spared sorting, tiles and most of the forward pass.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from peers_splatting import Scene, find_gsplat, find_pairs, our_picture, peer_picture, peer_projection
from timing import alternate

SCALES = {10_000: 0.02, 50_000: 0.01}  # standard deviations in scene units: radii of about 6 and 4 pixels


def step(name: str, scene: Scene) -> Callable[[], None]:
    """One round of work: "numba", "reference", "gsplat" or "gsplat, given pairs"."""
    gsplat = find_gsplat() if name.startswith("gsplat") else None
    keyed = torch.Generator().manual_seed(1)
    upstream = tuple(torch.randn(scene.size, scene.size, *channels, generator=keyed) for channels in ((3,), ()))
    pairs = None
    if gsplat is not None and name != "gsplat":
        radii, means, depths, conics, _ = peer_projection(gsplat, scene, scene.leaves())
        pairs = find_pairs(means, conics, depths, radii, scene.opacities, scene.size)

    def work() -> None:
        leaves = scene.leaves()
        drawn = our_picture(scene, leaves, name) if gsplat is None else peer_picture(gsplat, scene, leaves, pairs)
        torch.autograd.backward(drawn, upstream)

    return work


def print_growth(name: str, scene: Scene) -> None:
    """MiB that two rounds add at their peak to a process that is warmed up (Linux only)."""
    step(name, Scene.of(100, 32, 0.02))()
    work = step(name, scene)
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from what is held now
    before = _memory("VmHWM")
    work()
    work()
    print(_memory("VmHWM") - before)


def _memory(entry: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(entry))


def growth(name: str, count: int, options: argparse.Namespace) -> float:
    """The same, measured in a process of its own."""
    command = [sys.executable, __file__, "--size", str(options.size), "--memory-of", name, str(count)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=128, help="pixels along a side of the picture")
    parser.add_argument("--rounds", type=int, default=5, help="measured rounds")
    parser.add_argument("--threads", type=int, help="threads of torch and numba; 1 is the fairest on a busy machine")
    parser.add_argument("--memory-of", nargs=2, metavar=("BACKEND", "COUNT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    if options.memory_of:
        name, count = options.memory_of[0], int(options.memory_of[1])
        print_growth(name, Scene.of(count, options.size, SCALES[count]))
        return
    names = ["numba", "reference", *(["gsplat", "gsplat, given pairs"] if find_gsplat() else [])]
    print(f"{torch.get_num_threads()} threads, {options.size} px, forward and backward, medians of {options.rounds}\n")
    print("| Gaussians | " + " | ".join(f"{name} ms | {name} MiB" for name in names) + " | times as fast as others |")
    print("|---" * (2 * len(names) + 2) + "|")
    for count, scale in SCALES.items():
        scene = Scene.of(count, options.size, scale)
        medians = alternate([step(name, scene) for name in names], options.rounds)
        memory = [growth(name, count, options) for name in names]
        cells = " | ".join(f"{ms:.1f} | {mib:.0f}" for ms, mib in zip(medians, memory, strict=True))
        ratios = ", ".join(f"{other / medians[0]:.0f}" for other in medians[1:])
        print(f"| {count} | {cells} | {ratios} |", flush=True)
    if "gsplat" not in names:
        print("\ngsplat is not installed; run `pip install gsplat` to compare with its torch functions")


if __name__ == "__main__":
    main()
