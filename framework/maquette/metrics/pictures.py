"""Differences between renderings and true pictures, by the protocol of docs/metrics.md."""

from __future__ import annotations

from jaxtyping import Bool
from torch import Tensor

from maquette.images.picture import Picture

COVERED = 0.5  # alpha above which a pixel belongs to the silhouette


def compare_pictures(ours: Picture, truth: Picture, background: float = 1.0) -> list[dict[str, float]]:
    """PSNR, SSIM and silhouette IoU of each of B pictures, both composited over the same grey.

    Args:
        ours, truth: B pictures of one size, on the CPU.
        background: grey value in [0, 1].

    Returns:
        For each picture psnr in dB, ssim at most 1, and silhouette_iou in [0, 1]; the last only if a true picture has
        transparency, as photographs have no silhouette.

    Source: Wang et al. 2004 for SSIM (Gaussian window of 11 pixels, sigma 1.5), by torchmetrics.
    """
    from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

    rendered, true = ours.over(background), truth.over(background)
    masked = bool((truth.alpha < 1).any())
    rows: list[dict[str, float]] = []
    for i in range(len(truth)):
        pair = (rendered[i : i + 1].permute(0, 3, 1, 2), true[i : i + 1].permute(0, 3, 1, 2))
        similarity = structural_similarity_index_measure(*pair, data_range=1.0)
        row = {
            "psnr": float(peak_signal_noise_ratio(*pair, data_range=1.0)),
            "ssim": float(similarity if isinstance(similarity, Tensor) else similarity[0]),
        }
        if masked:
            row["silhouette_iou"] = silhouette_iou(ours.alpha[i] > COVERED, truth.alpha[i] > COVERED)
        rows.append(row)
    return rows


def silhouette_iou(one: Bool[Tensor, "*size"], other: Bool[Tensor, "*size"]) -> float:
    """Pixels that both silhouettes cover over those that either does; 1 where both are empty."""
    either = int((one | other).sum())
    return int((one & other).sum()) / either if either else 1.0
