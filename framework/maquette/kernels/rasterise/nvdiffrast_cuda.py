"""nvdiffrast as a backend: its four operations under our signatures. Untested on CUDA yet, so taken only when named.

What has to be converted, by nvdiffrast's documentation:

- its images have their bottom row first, ours their top row: images are flipped on the way in and out of `rasterise`
  and `antialias`, the only two that know where a pixel is, and dY points up where our dy points down;
- a pixel is (u, v, z / w, triangle + 1), zeros where there is no triangle; u and v belong to the first and second
  corner, as ours do;
- z / w comes without a gradient, so that the depth is interpolated from clip z and w;
- a texture's first row lies at v = 0 in both;
- mip levels are halves of even sides down to 1: a pyramid over odd ones is refused.

Where it differs: triangles smaller than its fixed-point grid resolves are lost, ties of depth fall as they may, and
`antialias` looks at the edges of the nearer pixel's own triangle only. float32 alone.

Its licence allows non-commercial use only. Source: Laine et al. 2020 (arXiv 2011.03277) and the documentation.
"""

from __future__ import annotations

from functools import lru_cache
from types import ModuleType
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from maquette.kernels.rasterise import reference

_MOST_TRIANGLES = 2**24  # their numbers come back as floats


def rasterise(
    clip: Float[Tensor, "B V 4"], triangles: Int[Tensor, "F 3"], height: int, width: int
) -> tuple[Int[Tensor, "B H W"], Float[Tensor, "B H W 2"], Float[Tensor, "B H W"]]:
    """As the public function: triangle, uv and depth."""
    if not len(triangles):
        return reference.rasterise(clip, triangles, height, width)
    raster, _ = _rasterise(clip, triangles, height, width)
    triangle = raster[..., 3].to(torch.int32) - 1
    uv = raster[..., :2]
    z, w = interpolate(clip[..., 2:], triangle, uv, triangles, 1.0).unbind(-1)
    covered = triangle >= 0
    return triangle, uv, torch.where(covered, z / torch.where(covered, w, 1.0), 1.0)


def raster_derivatives(
    clip: Float[Tensor, "B V 4"], triangles: Int[Tensor, "F 3"], triangle: Int[Tensor, "B H W"]
) -> Float[Tensor, "B H W 4"]:
    """du/dx, du/dy, dv/dx, dv/dy per pixel, y down."""
    if not len(triangles):
        return reference.raster_derivatives(clip, triangles, triangle)
    _, derivatives = _rasterise(clip, triangles, *triangle.shape[1:])
    return derivatives * derivatives.new_tensor([1.0, -1.0, 1.0, -1.0])


def interpolate(
    attributes: Float[Tensor, "A V C"],
    triangle: Int[Tensor, "B H W"],
    uv: Float[Tensor, "B H W 2"],
    triangles: Int[Tensor, "F 3"],
    total: float,
) -> Float[Tensor, "B H W C"]:
    """u a_0 + v a_1 + (total - u - v) a_2; weights that do not sum to 1 are derivatives, and go to the reference."""
    if total != 1.0 or not len(triangles):
        return reference.interpolate(attributes, triangle, uv, triangles, total)
    raster = _raster(triangle, uv, torch.zeros_like(uv[..., 0]))
    values, _ = _nvdiffrast(attributes).interpolate(attributes.contiguous(), raster, _indices(triangles))
    return values


def sample_texture(
    texels: Float[Tensor, "T N C"],
    sizes: Int[Tensor, "L 2"],
    uv: Float[Tensor, "B H W 2"],
    level: Float[Tensor, "B H W"] | None,
    nearest: bool,
    repeat: bool,
) -> Float[Tensor, "B H W C"]:
    """As the reference's: the texels of all levels one after the other, and the rows and columns of each."""
    shapes: list[list[int]] = sizes.tolist()
    if any(side % 2 and side > 1 for shape in shapes[:-1] for side in shape):
        raise ValueError(
            f"sample_texture: nvdiffrast halves even sides only, and a texture of {shapes[0]} has odd ones on the way; "
            "scale it to powers of two, or take another backend"
        )
    pieces = texels.split([height * width for height, width in shapes], dim=1)
    images = [piece.reshape(len(texels), *shape, -1).contiguous() for piece, shape in zip(pieces, shapes, strict=True)]
    options: dict[str, Any] = {"filter_mode": "nearest" if nearest else "linear"}
    if level is not None and len(images) > 1:
        options = {"filter_mode": "linear-mipmap-linear", "mip_level_bias": level.contiguous(), "mip": images[1:]}
    boundary = "wrap" if repeat else "clamp"
    return _nvdiffrast(texels).texture(images[0], uv.contiguous(), boundary_mode=boundary, **options)


def antialias(
    color: Float[Tensor, "B H W C"],
    triangle: Int[Tensor, "B H W"],
    depth: Float[Tensor, "B H W"],
    clip: Float[Tensor, "B V 4"],
    triangles: Int[Tensor, "F 3"],
    across: Int[Tensor, "F 3"],
) -> Float[Tensor, "B H W C"]:
    """As the public function, by nvdiffrast's own table of edges instead of `across`."""
    if not len(triangles):
        return color
    raster = _raster(triangle, torch.zeros_like(depth)[..., None].expand(*depth.shape, 2), depth)
    smooth = _nvdiffrast(clip).antialias(_flipped(color), _flipped(raster), clip.contiguous(), _indices(triangles))
    return _flipped(smooth)


def _rasterise(clip: Tensor, triangles: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """nvdiffrast's two images, top row first."""
    if len(triangles) >= _MOST_TRIANGLES:
        raise ValueError(f"rasterise: nvdiffrast tells fewer than {_MOST_TRIANGLES} triangles apart")
    arguments = (_context(clip.device), clip.contiguous(), _indices(triangles), (height, width))
    raster, derivatives = _nvdiffrast(clip).rasterize(*arguments, grad_db=False)
    return _flipped(raster), _flipped(derivatives)


def _raster(triangle: Tensor, uv: Tensor, depth: Tensor) -> Float[Tensor, "B H W 4"]:
    """A pixel as nvdiffrast has it."""
    number = (triangle + 1).to(uv.dtype)[..., None]
    return torch.cat([uv, depth[..., None], number], dim=-1).contiguous()


def _indices(triangles: Tensor) -> Int[Tensor, "F 3"]:
    return triangles.to(torch.int32).contiguous()


def _flipped(image: Float[Tensor, "B H W C"]) -> Float[Tensor, "B H W C"]:
    return image.flip(1).contiguous()


def _nvdiffrast(like: Tensor) -> ModuleType:
    import nvdiffrast.torch

    if like.dtype != torch.float32:
        raise ValueError(f"rasterise: the nvdiffrast backend takes float32, not {like.dtype}")
    return nvdiffrast.torch


@lru_cache(maxsize=8)
def _context(device: torch.device) -> Any:
    import nvdiffrast.torch

    return nvdiffrast.torch.RasterizeCudaContext(device=device)
