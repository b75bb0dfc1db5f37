"""Comparisons vanish on what they know, and count what differs."""

import math

import pytest
import torch

from maquette.data.base import Target
from maquette.images.picture import Picture
from maquette.losses.depth import DepthLoss
from maquette.losses.dssim import DSSIM
from maquette.losses.mask import MaskLoss
from maquette.losses.normal import NormalLoss
from maquette.losses.normal_l1 import NormalL1Loss
from maquette.losses.normal_smoothness import NormalSmoothness
from maquette.losses.rgb import RgbLoss
from maquette.materials.base import Shading
from maquette.renderers.base import Rendering
from views import front

SIZE = 16


def target(alpha: float = 1.0, **changes) -> Target:
    cameras = front(size=SIZE)
    generator = torch.Generator().manual_seed(0)
    normal = torch.nn.functional.normalize(torch.randn(1, SIZE, SIZE, 3, generator=generator), dim=-1)
    picture = Picture(torch.rand(1, SIZE, SIZE, 3, generator=generator), torch.full((1, SIZE, SIZE, 1), alpha))
    known = {"depth": torch.rand(1, SIZE, SIZE, 1, generator=generator), "normal": normal}
    return Target(cameras, picture, **{**known, **changes})


def rendering(known: Target, background: float = 1.0, **changes) -> Rendering:
    behind = torch.full_like(known.picture.color, background)
    drawn = {
        "rgb": known.picture.over(behind), "opacity": known.picture.alpha, "depth": known.depth, "normal": known.normal,
        "samples": None, "shading": Shading(), "background": behind,
    }  # fmt: skip
    return Rendering(**{**drawn, **changes})


@pytest.mark.parametrize("loss", [RgbLoss, MaskLoss, DSSIM, DepthLoss, NormalLoss, NormalL1Loss])
def test_the_truth_costs_nothing(loss):
    known = target()
    assert float(loss(loss.Config())(rendering(known), known)) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize(("metric", "expected"), [("l2", 0.04), ("l1", 0.2), ("huber", 0.15)])
def test_rgb_is_compared_over_the_rendering_s_background(metric, expected):
    known = target(alpha=0.0)
    drawn = rendering(known, background=0.3, rgb=torch.full_like(known.picture.color, 0.5))
    assert float(RgbLoss(RgbLoss.Config(metric=metric))(drawn, known)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("metric", ["pearson", "affine"])
def test_depth_may_be_stretched_and_shifted_but_not_turned_around(metric):
    known = target()
    loss = DepthLoss(DepthLoss.Config(metric=metric))
    assert float(loss(rendering(known, depth=3 * known.depth + 7), known)) == pytest.approx(0, abs=1e-5)
    turned = rendering(known, depth=-known.depth)
    if metric == "pearson":
        assert float(loss(turned, known)) == pytest.approx(1, abs=1e-5)


def test_scale_invariant_depth_is_the_variance_of_the_logarithm_s_error():
    known = target(depth=1 + target().depth)
    loss = DepthLoss(DepthLoss.Config(metric="scale-invariant"))
    assert float(loss(rendering(known, depth=3 * known.depth), known)) == pytest.approx(0, abs=1e-6)
    assert float(loss(rendering(known, depth=known.depth + 3), known)) > 1e-3  # unlike a shift
    factor = torch.ones_like(known.depth)
    factor[:, :, : SIZE // 4] = math.e**2  # d = 2 on a quarter: mean d^2 - (mean d)^2 = 1 - 1/4
    assert float(loss(rendering(known, depth=factor * known.depth), known)) == pytest.approx(0.75, rel=1e-4)


def test_scale_invariant_depth_of_nothing_known_is_finite():
    known = target()
    known = target(depth=0 * known.depth)
    depth = torch.rand_like(known.depth).requires_grad_()
    value = DepthLoss(DepthLoss.Config(metric="scale-invariant"))(rendering(known, depth=depth), known)
    value.backward()
    assert torch.isfinite(value) and torch.isfinite(depth.grad).all()


def test_depth_is_compared_only_where_both_are_opaque():
    known = target()
    half = known.picture.alpha.clone()
    half[:, :, SIZE // 2 :] = 0
    wrong = known.depth.clone()
    wrong[:, :, SIZE // 2 :] = 99.0
    assert float(DepthLoss(DepthLoss.Config())(rendering(known, depth=wrong, opacity=half), known)) == pytest.approx(
        0, abs=1e-5
    )


def test_depth_of_an_empty_picture_is_zero_with_a_gradient():
    known = target()
    depth = known.depth.clone().requires_grad_()
    value = DepthLoss(DepthLoss.Config())(rendering(known, depth=depth, opacity=0 * known.picture.alpha), known)
    value.backward()
    assert float(value.detach()) == 0 and torch.isfinite(depth.grad).all()


def test_normal_loss_of_opposite_normals_is_two():
    known = target()
    assert float(NormalLoss(NormalLoss.Config())(rendering(known, normal=-known.normal), known)) == pytest.approx(
        2, rel=1e-5
    )


def test_normal_l1_counts_each_component_and_only_pixels_with_a_target():
    known = target()
    known.normal[:, : SIZE // 2] = 0
    away = torch.cat([known.normal[:, : SIZE // 2] + 5, known.normal[:, SIZE // 2 :] + 0.25], dim=1)
    loss = NormalL1Loss(NormalL1Loss.Config())
    assert float(loss(rendering(known, normal=away), known)) == pytest.approx(0.75, rel=1e-5)
    nothing = target(normal=torch.zeros_like(known.normal))
    assert float(loss(rendering(nothing, normal=away), nothing)) == 0


def test_normal_smoothness_is_zero_where_flat_and_one_step_costs_its_square():
    known = target()
    flat = torch.zeros_like(known.normal)
    flat[..., 0] = 1
    loss = NormalSmoothness(NormalSmoothness.Config())
    assert float(loss(rendering(known, normal=flat), None)) == 0
    stepped = flat.clone()
    stepped[:, :, SIZE // 2 :] = torch.tensor([0.0, 1.0, 0.0])
    expected = 2 * SIZE / (SIZE * (SIZE - 1) * 3)
    assert float(loss(rendering(known, normal=stepped), None)) == pytest.approx(expected, rel=1e-5)
