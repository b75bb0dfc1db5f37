"""Differences between renderings and true pictures, by the protocol of docs/metrics.md."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from maquette.images.picture import Picture

COVERED = 0.5  # alpha above which a pixel belongs to the silhouette
BEST_PSNR = 100.0  # dB, of equal pictures: a mean over pictures has to be finite
BOUNDARY = 0.02  # width of a silhouette's boundary over the picture's diagonal


def compare_pictures(ours: Picture, truth: Picture, background: float = 1.0) -> list[dict[str, float]]:
    """PSNR, SSIM and agreement of silhouettes of each of B pictures, both composited over the same grey.

    Args:
        ours, truth: B pictures of one size, on the CPU.
        background: grey value in [0, 1].

    Returns:
        For each picture psnr in dB, ssim at most 1, and, only if a true picture has transparency, as photographs have
        no silhouette: psnr_foreground in dB, over the true silhouette's pixels, and silhouette_iou and boundary_iou in
        [0, 1]. psnr_foreground is missing where that silhouette is empty.

    Source: Wang et al. 2004 for SSIM (Gaussian window of 11 pixels, sigma 1.5), by torchmetrics.
    """
    from torchmetrics.functional.image import structural_similarity_index_measure

    rendered, true = ours.over(background), truth.over(background)
    masked = bool((truth.alpha < 1).any())
    rows: list[dict[str, float]] = []
    for i in range(len(truth)):
        pair = (rendered[i : i + 1].permute(0, 3, 1, 2), true[i : i + 1].permute(0, 3, 1, 2))
        similarity = structural_similarity_index_measure(*pair, data_range=1.0)
        row = {
            "psnr": psnr(rendered[i], true[i]),
            "ssim": float(similarity if isinstance(similarity, Tensor) else similarity[0]),
        }
        if masked:
            row |= _silhouette_figures(rendered[i], true[i], ours.alpha[i, ..., 0], truth.alpha[i, ..., 0])
        rows.append(row)
    return rows


def psnr(one: Float[Tensor, "*size 3"], other: Float[Tensor, "*size 3"]) -> float:
    """Peak signal-to-noise ratio in dB of colours in [0, 1]: -10 log10 of the mean squared difference, 100 at most.

    Example:
        >>> round(psnr(torch.zeros(2, 3), torch.full((2, 3), 0.1)), 4)
        20.0
    """
    error = float((one.double() - other.double()).square().mean())
    return min(-10 * math.log10(error), BEST_PSNR) if error > 0 else BEST_PSNR


def boundary_iou(one: Bool[Tensor, "H W"], other: Bool[Tensor, "H W"]) -> float:
    """IoU of the boundaries of two silhouettes: what lies within 2 % of the picture's diagonal of their edges, inside.

    1 where both are empty. Unlike the IoU of whole silhouettes it does not forgive a thin part of a large object.

    Source: Cheng et al. 2021 (Boundary IoU, arXiv 2103.16562), sec. 4; the distance is that of the chessboard, and
    beyond the picture nothing is covered.
    """
    from scipy.ndimage import binary_erosion

    width = max(1, round(BOUNDARY * math.hypot(*one.shape)))

    def boundary(mask: Tensor) -> Tensor:
        inner = binary_erosion(mask.numpy(), torch.ones(3, 3).bool().numpy(), iterations=width)
        return mask & ~torch.from_numpy(inner)

    return silhouette_iou(boundary(one), boundary(other))


def _silhouette_figures(ours: Tensor, truth: Tensor, our_alpha: Tensor, true_alpha: Tensor) -> dict[str, float]:
    """Figures of one pair of pictures [H, W, 3] with their alphas [H, W]."""
    one, other = our_alpha > COVERED, true_alpha > COVERED
    figures = {"psnr_foreground": psnr(ours[other], truth[other])} if bool(other.any()) else {}
    return figures | {"silhouette_iou": silhouette_iou(one, other), "boundary_iou": boundary_iou(one, other)}


def silhouette_iou(one: Bool[Tensor, "*size"], other: Bool[Tensor, "*size"]) -> float:
    """Pixels that both silhouettes cover over those that either does; 1 where both are empty."""
    either = int((one | other).sum())
    return int((one & other).sum()) / either if either else 1.0
