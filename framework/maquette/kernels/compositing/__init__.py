"""Volume rendering along rays: densities of packed samples -> weights, and sums of weighted values per ray.

Samples are packed: all those of ray 0, then all those of ray 1, ... `ray_start` [R + 1] holds where each ray begins
and, as its last entry, the number of samples; a ray without samples begins where the next one does.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from maquette.kernels.backends import implementation
from maquette.kernels.precision import in_float32

__all__ = ["accumulate", "composite", "distortion"]


@in_float32
def composite(
    densities: Float[Tensor, " n"],
    deltas: Float[Tensor, " n"],
    ray_start: Int[Tensor, " rays_plus_one"],
    *,
    backend: str = "auto",
) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
    """Weights and transmittances of the samples of many rays.

    With optical thickness tau_i = sigma_i delta_i, for each ray on its own,

        T_i = exp(-(tau_0 + ... + tau_(i-1)))        w_i = T_i (1 - exp(-tau_i))

    so that the weights of a ray sum to its opacity 1 - exp(-sum of tau). Differentiable in densities and deltas; a
    second time only with the reference backend.

    Args:
        densities: sigma >= 0, per scene unit; float32 or float64.
        deltas: delta >= 0, lengths of the samples in scene units; of the same dtype.
        ray_start: first sample of each ray, then the number of samples; int64, non-decreasing, from 0 to n.
        backend: "auto", "numba", "triton" or "reference".

    Returns:
        Weights w in [0, 1], and transmittances T in [0, 1] in front of each sample.

    Raises:
        ValueError: a shape, dtype or device does not fit, or ray_start does not cover the samples.

    Source: Max 1995, "Optical models for direct volume rendering"; Mildenhall et al. 2020 (NeRF, arXiv 2003.08934),
    eq. 3.

    Example:
        >>> weights, _ = composite(torch.tensor([1.0, 1.0]), torch.tensor([0.5, 0.5]), torch.tensor([0, 2, 2]))
        >>> torch.allclose(weights.sum(), 1 - torch.exp(torch.tensor(-1.0)))
        True
    """
    _check_rays("composite", {"densities": densities, "deltas": deltas}, ray_start)
    module = implementation("compositing", backend, densities.device.type)
    return module.composite(densities * deltas, ray_start)


@in_float32
def accumulate(
    weights: Float[Tensor, " n"],
    values: Float[Tensor, "n channels"] | None,
    ray_index: Int[Tensor, " n"],
    n_rays: int,
    *,
    backend: str = "auto",
) -> Float[Tensor, "rays channels"]:
    """Sum of weighted values along each ray: out_r = sum over the samples i of ray r of w_i v_i.

    Colour, normals and depth are sums of this kind, opacity that of ones. Differentiable in weights and values; a
    second time only with the reference backend.

    Args:
        weights: w, as `composite` gives them; float32 or float64.
        values: v, of the same dtype; None means ones, hence opacity.
        ray_index: ray of each sample, int64, non-decreasing, in 0 ... n_rays - 1.
        n_rays: rays, those without samples included.
        backend: "auto", "numba", "triton" or "reference".

    Returns:
        One row per ray, zeros where a ray has no samples.

    Raises:
        ValueError: a shape, dtype or device does not fit, or ray_index is not sorted or out of range.

    Example:
        >>> weights, ray_index = torch.tensor([0.5, 0.25, 1.0]), torch.tensor([0, 0, 2])
        >>> accumulate(weights, None, ray_index, 3).squeeze(-1)
        tensor([0.7500, 0.0000, 1.0000])
    """
    values = torch.ones_like(weights).unsqueeze(-1) if values is None else values
    if weights.ndim != 1 or values.ndim != 2 or len(values) != len(weights) or ray_index.shape != weights.shape:
        shapes = ", ".join(str(list(tensor.shape)) for tensor in (weights, values, ray_index))
        raise ValueError(f"accumulate: weights [n], values [n, channels] and ray_index [n] are needed, not {shapes}")
    _check_pair("accumulate", weights, values)
    if ray_index.dtype != torch.int64 or ray_index.device != weights.device:
        raise ValueError(
            f"accumulate: ray_index is int64 on {weights.device}, not {ray_index.dtype} on {ray_index.device}"
        )
    if not ray_index.is_cuda and not _sorted_within(ray_index, n_rays):
        raise ValueError(f"accumulate: ray_index must not decrease and lies between 0 and {n_rays - 1}")
    module = implementation("compositing", backend, weights.device.type)
    return module.accumulate(weights, values, ray_index, n_rays)


@in_float32
def distortion(
    weights: Float[Tensor, " n"],
    t: Float[Tensor, " n"],
    deltas: Float[Tensor, " n"],
    ray_start: Int[Tensor, " rays_plus_one"],
    *,
    backend: str = "auto",
) -> Float[Tensor, " rays"]:
    """How far the weights of each ray are spread along it:

        sum over i, j of w_i w_j |t_i - t_j|  +  1/3 sum over i of w_i^2 delta_i

    Differentiable in the weights; in the others, and a second time, only with the reference backend.

    Args:
        weights: w, as `composite` gives them; float32 or float64.
        t: middles of the samples, in any unit of length, non-decreasing along each ray; of the same dtype.
        deltas: their lengths, in that unit.
        ray_start: first sample of each ray, then the number of samples; int64, non-decreasing, from 0 to n.
        backend: "auto", "numba", "triton" or "reference"; the sums of triton's are torch's own.

    Returns:
        One number per ray, 0 for a ray without samples.

    Raises:
        ValueError: a shape, dtype or device does not fit, or ray_start does not cover the samples.

    Source: Barron et al. 2022 (Mip-NeRF 360, arXiv 2111.12077), eq. 15; in linear time: Sun et al. 2022
    (arXiv 2206.05085).

    Example:
        >>> two = torch.tensor([0.5, 0.5])
        >>> distortion(two, torch.tensor([1.0, 3.0]), torch.tensor([0.3, 0.3]), torch.tensor([0, 2]))
        tensor([1.0500])
    """
    _check_rays("distortion", {"weights": weights, "t": t, "deltas": deltas}, ray_start)
    module = implementation("compositing", backend, weights.device.type)
    return module.distortion(weights, t, deltas, ray_start)


def _check_rays(name: str, samples: dict[str, Tensor], ray_start: Tensor) -> None:
    (first, values), *others = samples.items()
    for other, other_values in others:
        if values.ndim != 1 or values.shape != other_values.shape:
            raise ValueError(
                f"{name}: {first} and {other} are [n] each, not {list(values.shape)} and {list(other_values.shape)}"
            )
        _check_pair(name, values, other_values)
    if ray_start.ndim != 1 or len(ray_start) < 1 or ray_start.dtype != torch.int64:
        raise ValueError(f"{name}: ray_start is int64 [rays + 1], not {ray_start.dtype} {list(ray_start.shape)}")
    if ray_start.device != values.device:
        raise ValueError(f"{name}: {first} are on {values.device} and ray_start is on {ray_start.device}")
    if not ray_start.is_cuda and not _covers(ray_start, len(values)):
        raise ValueError(f"{name}: ray_start must rise from 0 to {len(values)}, the number of samples")


def _check_pair(name: str, first: Tensor, second: Tensor) -> None:
    if first.dtype != second.dtype or first.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"{name}: both inputs are float32 or both float64, not {first.dtype} and {second.dtype}")
    if first.device != second.device:
        raise ValueError(f"{name}: the inputs are on {first.device} and {second.device}")


# The next two would make a GPU wait, so they guard the CPU only, where a wrong index would be read out of bounds.
def _covers(ray_start: Tensor, samples: int) -> bool:
    return bool(ray_start[0] == 0 and ray_start[-1] == samples and (ray_start[1:] >= ray_start[:-1]).all())


def _sorted_within(ray_index: Tensor, n_rays: int) -> bool:
    if not len(ray_index):
        return True
    return bool(ray_index[0] >= 0 and ray_index[-1] < n_rays and (ray_index[1:] >= ray_index[:-1]).all())
