"""Selection layer of a stereo network: an image shifted along its rows by several amounts, and summed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.kernels.backends import implementation
from maquette.kernels.precision import in_float32

__all__ = ["select"]


@in_float32
def select(
    image: Float[Tensor, "b c H W"],
    probabilities: Float[Tensor, "b d h w"],
    shifts: Sequence[float],
    *,
    backend: str = "auto",
) -> Float[Tensor, "b c H W"]:
    """Sum shifted copies of an image, each pixel with probabilities of its own.

    With L an image, s_1 ... s_d the shifts and p the probabilities,

        O(y, x) = sum over j of  p_j(y, x)  L(y, clamp(x - s_j, 0, W - 1)),

    where L lies linearly between its columns. A positive shift moves the content to the right. Probabilities of a
    smaller size are first interpolated bilinearly to the size of the image (pixel centres at half units, edges
    repeated). They need not add up to 1: what is missing shows nothing.

    Differentiable in image and probabilities, once. Sums have the same bits on every run with the backends for CPUs.

    Args:
        image: the left view.
        probabilities: of each shift at each pixel of the result; of the image's dtype (float32 or float64) and device.
        shifts: in pixels of the image, one for each channel of the probabilities.
        backend: "auto", "numba", "triton" or "reference".

    Raises:
        ValueError: a shape, dtype or device does not fit, or a shift is not finite.

    Source: Xie et al. 2016 (Deep3D, arXiv 1604.03650), sec. 3.2, eq. 2.

    Example:
        >>> row = torch.tensor([1.0, 2.0, 3.0]).view(1, 1, 1, 3)
        >>> select(row, torch.ones(1, 1, 1, 3), [1.0]).flatten()
        tensor([1., 1., 2.])
    """
    _check(image, probabilities, shifts)
    module = implementation("selection", backend, image.device.type)
    return module.select(image, probabilities, [float(shift) for shift in shifts])


def _check(image: Tensor, probabilities: Tensor, shifts: Sequence[float]) -> None:
    if image.ndim != 4 or probabilities.ndim != 4 or len(image) != len(probabilities):
        shapes = f"{list(image.shape)} and {list(probabilities.shape)}"
        raise ValueError(f"select: image and probabilities are [b, c, H, W] and [b, d, h, w] of one b, not {shapes}")
    if not image.numel() or not probabilities.numel():
        raise ValueError("select: image or probabilities are empty")
    if len(shifts) != probabilities.shape[1]:
        raise ValueError(
            f"select: {probabilities.shape[1]} channels of probabilities need as many shifts, not {len(shifts)}"
        )
    if not all(math.isfinite(shift) for shift in shifts):
        raise ValueError("select: a shift is not finite")
    if image.dtype != probabilities.dtype or image.dtype not in (torch.float32, torch.float64):
        raise ValueError(
            f"select: image ({image.dtype}) and probabilities ({probabilities.dtype}) are both float32 or both float64"
        )
    if image.device != probabilities.device:
        raise ValueError(f"select: the image is on {image.device} and the probabilities are on {probabilities.device}")
