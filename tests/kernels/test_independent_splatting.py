"""Splatting beside gsplat's own torch code, function by function and as a whole.

What gsplat's wheel leaves to CUDA is written in `benchmarks/peers_splatting.py`.
"""

from __future__ import annotations

import sys
import types

import pytest
import torch
from peers_splatting import Scene, find_gsplat, our_picture, our_projection, peer_picture, peer_projection
from torch import Tensor

from maquette.cameras.base import orbit_cameras
from maquette.kernels.splatting import spherical_harmonics

pytest.importorskip("gsplat", reason="gsplat is not installed")

TOLERANCE = 1e-3
BACKENDS = ["reference", "numba"]


def beside(distance: float) -> Tensor:
    """A camera that looks at the origin from the upper right."""
    one = torch.ones(1)
    return orbit_cameras(130 * one, 35 * one, distance * one, one, 8).c2w[0]


SCENES = [
    pytest.param(Scene.of(2000, 64, 0.03), id="ball"),
    pytest.param(Scene.of(1500, 80, 0.03, needles=1.2, c2w=beside(2.0)), id="needles and plates"),
    pytest.param(Scene.of(800, 48, 0.05, c2w=beside(0.3)), id="a camera inside the ball"),
]


@pytest.fixture
def gsplat(monkeypatch):
    monkeypatch.setitem(sys.modules, "nerfacc", types.ModuleType("nerfacc"))  # taken away again after the test
    return find_gsplat()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("scene", SCENES)
def test_footprints_are_gsplats(gsplat, scene, backend):
    view = our_projection(scene, scene.leaves(), backend)
    radii, means, depths, conics, compensation = peer_projection(gsplat, scene, scene.leaves())
    seen = view.visible & (radii > 0).all(dim=-1)
    assert seen.sum() > 100
    torch.testing.assert_close(view.means[seen], means[seen], rtol=TOLERANCE, atol=TOLERANCE)
    torch.testing.assert_close(view.depths[seen], depths[seen], rtol=TOLERANCE, atol=0)
    torch.testing.assert_close(view.conics[seen], conics[seen], rtol=TOLERANCE, atol=TOLERANCE)
    torch.testing.assert_close(view.compensation[seen], compensation[seen], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("scene", SCENES)
def test_colour_opacity_and_depth_are_gsplats(gsplat, scene, backend):
    ours, theirs = our_picture(scene, scene.leaves(), backend), peer_picture(gsplat, scene, scene.leaves())
    assert theirs[1].max() > 0.99
    for our, their in zip(ours, theirs, strict=True):
        torch.testing.assert_close(our, their, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("scene", SCENES)
def test_gradients_are_gsplats(gsplat, scene, backend):
    ours, theirs = scene.leaves(), scene.leaves()
    for images in (our_picture(scene, ours, backend), peer_picture(gsplat, scene, theirs)):
        keyed = torch.Generator().manual_seed(1)
        sum((image * torch.randn(image.shape, generator=keyed)).sum() for image in images).backward()
    for our, their in zip(ours, theirs, strict=True):
        assert (our.grad - their.grad).norm() <= TOLERANCE * their.grad.norm()


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_spherical_harmonics_are_gsplats(gsplat, degree):
    keyed = torch.Generator().manual_seed(2)
    directions, coefficients = torch.randn(100, 3, generator=keyed), torch.randn(100, 16, 3, generator=keyed)
    theirs = gsplat._spherical_harmonics(degree, directions, coefficients)
    torch.testing.assert_close(spherical_harmonics(directions, coefficients, degree), theirs, rtol=0, atol=TOLERANCE)
