"""The public face of texture look-up: mip levels, their choice, and the sampling that backends do."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.kernels.backends import implementation
from maquette.kernels.precision import in_float32
from maquette.kernels.rasterise.raster import check_float


@in_float32
def sample_texture(
    texture: Float[Tensor, "T Ht Wt C"],
    uv: Float[Tensor, "B H W 2"],
    uv_derivatives: Float[Tensor, "B H W 4"] | None = None,
    filter: Literal["nearest", "linear", "trilinear"] = "linear",
    wrap: Literal["repeat", "clamp"] = "repeat",
    *,
    backend: str = "auto",
) -> Float[Tensor, "B H W C"]:
    """Look a texture up at each pixel.

    Texel (row i, column j) has its centre at u = (j + 1/2) / Wt, v = (i + 1/2) / Ht: v runs down the rows, as in glTF.
    "linear" weighs the four texels around (u Wt - 1/2, v Ht - 1/2). "trilinear" does so on two mip levels, halved down
    to one texel by means, and weighs the levels floor(lambda) and floor(lambda) + 1 by the fraction of

        lambda = log2 max(|(Wt du/dx, Ht dv/dx)|, |(Wt du/dy, Ht dv/dy)|), kept between 0 and the last level

    Differentiable in texture and, except for "nearest", in uv; the choice of the level is a constant to autograd. With
    the numba backend the gradient has the same bits for any number of threads, and is differentiable once.

    Args:
        texture: one for all images (T = 1) or one for each (T = B); float32 or float64.
        uv: coordinates, 0 to 1 across the texture; of the same dtype.
        uv_derivatives: du/dx, du/dy, dv/dx, dv/dy per pixel, for "trilinear" only:
            `interpolate_derivatives(...).flatten(-2)`.
        filter: "nearest", "linear" or "trilinear".
        wrap: what lies beyond [0, 1]: the texture again ("repeat"), or its outermost texels ("clamp").
        backend: "auto", "numba", "nvdiffrast" or "reference".

    Returns:
        The texture's value at each pixel. Pixels without a triangle have uv = 0: mask them with `raster.covered`.

    Raises:
        ValueError: a shape, dtype or device does not fit, a name is unknown, or derivatives are missing or not used.

    Source: Laine et al. 2020 (nvdiffrast, arXiv 2011.03277), sec. 3.3; OpenGL 4.6 core profile, sec. 8.14.

    Example:
        >>> texture = torch.tensor([0.0, 1.0]).reshape(1, 1, 2, 1)
        >>> uv = torch.tensor([[0.25, 0.5], [0.5, 0.5]]).reshape(1, 1, 2, 2)
        >>> sample_texture(texture, uv).flatten()
        tensor([0.0000, 0.5000])
    """
    _check(texture, uv, uv_derivatives, filter, wrap)
    levels = _mip_pyramid(texture) if filter == "trilinear" else [texture]
    level = None if uv_derivatives is None else _mip_level(uv_derivatives, texture.shape[1:3], len(levels))
    texels = torch.cat([one.flatten(1, 2) for one in levels], dim=1)
    sizes = torch.tensor([one.shape[1:3] for one in levels], device=texture.device)
    module = implementation("rasterise", backend, texture.device.type)
    return module.sample_texture(texels, sizes, uv, level, filter == "nearest", wrap == "repeat")


def _mip_pyramid(texture: Float[Tensor, "T Ht Wt C"]) -> list[Float[Tensor, "T h w C"]]:
    """The texture, and each further level half as large, sides rounded down, until there is one texel."""
    levels = [texture]
    while levels[-1].shape[1] > 1 or levels[-1].shape[2] > 1:
        levels.append(_halved(_halved(levels[-1], axis=1), axis=2))
    return levels


def _halved(texels: Tensor, axis: int) -> Tensor:
    """Mean over the n / floor(n / 2) texels that one of the next level covers: two, or with n odd two and a bit."""
    lines = texels.movedim(axis, 0)
    half, odd = divmod(len(lines), 2)
    if not half:
        return texels
    first, second = lines[0 : 2 * half : 2], lines[1 : 2 * half : 2]
    if not odd:
        return ((first + second) / 2).movedim(0, axis)
    later = torch.arange(half, device=lines.device, dtype=lines.dtype).reshape(-1, 1, 1, 1)
    covered = (half - later) * first + half * second + (later + 1) * lines[2::2]
    return (covered / len(lines)).movedim(0, axis)


def _mip_level(
    uv_derivatives: Float[Tensor, "B H W 4"], size: tuple[int, int] | torch.Size, levels: int
) -> Float[Tensor, "B H W"]:
    """lambda of `sample_texture`, from 0 to levels - 1; a pixel without footprint takes level 0."""
    height, width = size
    du_dx, du_dy, dv_dx, dv_dy = uv_derivatives.detach().unbind(-1)
    along_x = (width * du_dx).square() + (height * dv_dx).square()
    along_y = (width * du_dy).square() + (height * dv_dy).square()
    return (0.5 * torch.log2(torch.maximum(along_x, along_y))).nan_to_num(0.0).clamp(0.0, levels - 1.0)


def _check(texture: Tensor, uv: Tensor, uv_derivatives: Tensor | None, filter: str, wrap: str) -> None:
    if uv.ndim != 4 or uv.shape[-1] != 2:
        raise ValueError(f"sample_texture: uv is [B, H, W, 2], not {list(uv.shape)}")
    if texture.ndim != 4 or len(texture) not in (1, len(uv)) or not texture[:1].numel():
        raise ValueError(f"sample_texture: texture is [1 or {len(uv)}, Ht, Wt, C], not {list(texture.shape)}")
    check_float("sample_texture", "texture", texture)
    tensors = (texture, uv) if uv_derivatives is None else (texture, uv, uv_derivatives)
    if len({(tensor.dtype, tensor.device) for tensor in tensors}) > 1:
        described = ", ".join(f"{tensor.dtype} on {tensor.device}" for tensor in tensors)
        raise ValueError(f"sample_texture: the inputs have one dtype and device, not {described}")
    if filter not in ("nearest", "linear", "trilinear"):
        raise ValueError(f"sample_texture: filter is 'nearest', 'linear' or 'trilinear', not {filter!r}")
    if wrap not in ("repeat", "clamp"):
        raise ValueError(f"sample_texture: wrap is 'repeat' or 'clamp', not {wrap!r}")
    if (filter == "trilinear") != (uv_derivatives is not None):
        raise ValueError(f"sample_texture: uv_derivatives go with filter='trilinear' and no other, not with {filter!r}")
    if uv_derivatives is not None and uv_derivatives.shape != (*uv.shape[:3], 4):
        expected = [*uv.shape[:3], 4]
        raise ValueError(f"sample_texture: uv_derivatives are {expected}, not {list(uv_derivatives.shape)}")
