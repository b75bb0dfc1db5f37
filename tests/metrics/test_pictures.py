"""Differences of pictures whose difference is known, beside scikit-image."""

import math

import pytest
import torch
from skimage.metrics import structural_similarity

from maquette.images.picture import Picture
from maquette.metrics.pictures import compare_pictures, silhouette_iou


def disc(radius: float, color: float = 0.25, size: int = 64) -> Picture:
    """A disc of one grey, transparent outside."""
    axis = torch.arange(size) + 0.5 - size / 2
    alpha = ((axis[:, None].square() + axis.square()).sqrt() < radius).float()[None, ..., None]
    return Picture(torch.full((1, size, size, 3), color), alpha)


def test_equal_pictures_agree_in_everything():
    row = compare_pictures(disc(20), disc(20))[0]
    assert row["ssim"] == pytest.approx(1, abs=1e-5) and row["silhouette_iou"] == 1 and row["psnr"] > 60


def test_psnr_is_that_of_the_mean_squared_difference_over_the_background():
    covered = float(disc(20).alpha.mean())
    row = compare_pictures(disc(20, 0.5), disc(20, 0.25), background=0.0)[0]
    assert row["psnr"] == pytest.approx(-10 * math.log10(covered * 0.25**2), abs=1e-3)


def test_ssim_is_that_of_scikit_image():
    pictures = torch.rand(2, 1, 48, 48, 3, generator=torch.Generator().manual_seed(0))
    ours, truth = 0.9 * pictures[0] + 0.1 * pictures[1], pictures[0]
    expected = structural_similarity(
        ours[0].numpy(), truth[0].numpy(), data_range=1.0, channel_axis=-1, gaussian_weights=True, sigma=1.5,
        use_sample_covariance=False,
    )  # fmt: skip
    assert compare_pictures(Picture.opaque(ours), Picture.opaque(truth))[0]["ssim"] == pytest.approx(expected, abs=2e-3)


def test_the_silhouette_iou_of_concentric_discs_is_the_ratio_of_their_areas():
    row = compare_pictures(disc(15), disc(20))[0]
    assert row["silhouette_iou"] == pytest.approx((15 / 20) ** 2, abs=0.01)


def test_photographs_have_no_silhouette():
    opaque = Picture.opaque(torch.rand(1, 16, 16, 3))
    assert "silhouette_iou" not in compare_pictures(disc(5, size=16), opaque)[0]


def test_nothing_beside_nothing_is_the_same_silhouette():
    empty = torch.zeros(4, 4, dtype=torch.bool)
    assert silhouette_iou(empty, empty) == 1 and silhouette_iou(empty, ~empty) == 0
