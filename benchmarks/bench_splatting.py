"""Speed of Gaussians on this machine's CPU: `python benchmarks/bench_splatting.py`.

A round of splatting is projection, picture and gradients of all inputs. gsplat's torch functions ask for the pairs of
pixel and Gaussian that contribute, which its CUDA code finds: "gsplat in torch" finds them with tiled torch in each
round; "the same, given pairs" is handed them beforehand, and so is spared sorting, tiles and most of the forward pass.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

import torch
from contests import Contest, main
from peers_splatting import Scene, find_gsplat, find_pairs, our_picture, peer_picture, peer_projection
from timing import Work
from torch import Tensor

from maquette.kernels.gaussian_field import gaussian_field

GSPLAT, GIVEN_PAIRS = "gsplat in torch", "the same, given pairs"
PEERS = (GSPLAT, GIVEN_PAIRS) if find_spec("gsplat") else ()


def splat_ball(way: str, count: int, size: int, thousandths: int) -> Work:
    """A ball of Gaussians; `thousandths` is their standard deviation in those of a scene unit."""
    scene = Scene.of(count, size, thousandths / 1000)
    if way not in PEERS:
        return _with_gradients(scene, lambda leaves: our_picture(scene, leaves, way))
    gsplat, pairs = find_gsplat(), None
    if way == GIVEN_PAIRS:
        radii, means, depths, conics, _ = peer_projection(gsplat, scene, scene.leaves())
        pairs = find_pairs(means, conics, depths, radii, scene.opacities, size)
    return _with_gradients(scene, lambda leaves: peer_picture(gsplat, scene, leaves, pairs))


def splat_disks(way: str, count: int, size: int, thousandths: int) -> Work:
    """The same Gaussians as flat disks."""
    scene = Scene.of(count, size, thousandths / 1000)
    return _with_gradients(scene, lambda leaves: our_picture(scene, leaves, way, mode="2d"))


def _with_gradients(scene: Scene, draw: Callable[[list[Tensor]], list[Tensor]]) -> Work:
    keyed = torch.Generator().manual_seed(1)
    upstream = [torch.randn(scene.size, scene.size, *last, generator=keyed) for last in ((3,), (), ())]

    def work() -> list[Tensor | None]:
        leaves = scene.leaves()
        torch.autograd.backward(draw(leaves), upstream)
        return [leaf.grad for leaf in leaves]

    return work


def evaluate_field(way: str, points: int, count: int, thousandths: int) -> Work:
    """The density and colour of a cloud at random points of its box."""
    scene = Scene.of(count, 16, thousandths / 1000)
    places = torch.rand(points, 3, generator=torch.Generator().manual_seed(2)) - 0.5
    arguments = (scene.means, scene.quaternions, scene.scales, scene.opacities, scene.values)
    return lambda: gaussian_field(places, *arguments, backend=way)


CONTESTS = [
    Contest(
        "splatting",
        "splat {count:,} Gaussians at {size} x {size}, forward + backward",
        splat_ball,
        ways=("numba", "reference", *PEERS),
        sizes={"count": 50_000, "size": 128, "thousandths": 10},
        small={"count": 50, "size": 16, "thousandths": 20},
        targets={GSPLAT: 30} if PEERS else {},
    ),
    Contest(
        "splatting-disks",
        "splat {count:,} disks at {size} x {size}, forward + backward",
        splat_disks,
        ways=("numba", "reference"),
        sizes={"count": 10_000, "size": 128, "thousandths": 20},
        small={"count": 50, "size": 16, "thousandths": 20},
    ),
    Contest(
        "gaussian-field",
        "field of {count:,} Gaussians at {points:,} points",
        evaluate_field,
        ways=("numba", "reference"),
        sizes={"points": 4096, "count": 10_000, "thousandths": 20},
        small={"points": 64, "count": 50, "thousandths": 20},
    ),
]

if __name__ == "__main__":
    main(CONTESTS, __doc__)
