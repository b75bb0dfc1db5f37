"""Differentiable rasterisation: triangles -> pixels, attributes -> images, textures -> colours, smooth silhouettes.

Four operations that compose, each with a gradient:

    raster = rasterise(clip, triangles, height, width)            # which triangle, and where on it
    normal = interpolate(normals, raster, triangles)              # vertex attributes at the pixels
    albedo = sample_texture(texture, interpolate(uv, raster, triangles))
    image = antialias(color, raster, clip, triangles)             # the only one that moves silhouettes

Positions are in OpenGL's clip space: x right, y up, z / w from -1 (near) to 1 (far), w > 0 in front of the camera.
Images have their top row first, so y flips in between. Pixel (row i, column j) has its centre at
x / w = (2 j + 1) / width - 1 and y / w = 1 - (2 i + 1) / height.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from maquette.kernels.backends import implementation
from maquette.kernels.precision import in_float32
from maquette.kernels.rasterise.raster import Raster, as_indices, check_clip, check_float, check_raster
from maquette.kernels.rasterise.silhouettes import EdgeTopology, antialias, edge_topology
from maquette.kernels.rasterise.texture import sample_texture

__all__ = [
    "EdgeTopology",
    "Raster",
    "antialias",
    "edge_topology",
    "interpolate",
    "interpolate_derivatives",
    "rasterise",
    "sample_texture",
]


@in_float32
def rasterise(
    clip: Float[Tensor, "B V 4"],
    triangles: Int[Tensor, "F 3"],
    height: int,
    width: int,
    *,
    derivatives: bool = False,
    backend: str = "auto",
) -> Raster:
    """Find the nearest triangle at the centre of each pixel.

    With corners p_k = (x_k, y_k, w_k) and q = (X, Y, 1) the pixel's centre, the homogeneous edge functions

        e_0 = (p_1 x p_2) . q        e_1 = (p_2 x p_0) . q        e_2 = (p_0 x p_1) . q

    have the sign of det(p_0, p_1, p_2) exactly where the centre lies inside the part of the triangle in front of the
    camera, so that nothing has to be clipped where a triangle passes through the plane of the camera. Then

        u = e_0 / (e_0 + e_1 + e_2)        v = e_1 / (e_0 + e_1 + e_2)
        depth = (e_0 z_0 + e_1 z_1 + e_2 z_2) / (e_0 w_0 + e_1 w_1 + e_2 w_2)

    Both sides of a triangle are drawn. A centre on an edge belongs to the triangle whose left or top edge that is, so
    that neighbours neither overlap nor leave a gap. Depths outside [-1, 1] are not drawn; of equal depths the lower
    index wins. Triangles without area, behind the camera or with non-finite corners are skipped. Which triangle is
    seen is decided in float64, whatever the dtype.

    uv and depth are differentiable in clip; triangle and uv_derivatives are constants to autograd. What moves
    silhouettes is `antialias`. With the numba backend the gradient has the same bits for any number of threads, and
    is differentiable once.

    Args:
        clip: homogeneous positions x, y, z, w of the vertices in each image; float32 or float64.
        triangles: three vertices each, the same for all images; int32 or int64.
        height: rows of the image, in pixels.
        width: columns of the image, in pixels.
        derivatives: whether to fill in `Raster.uv_derivatives`, from which a texture takes its mip levels.
        backend: "auto", "numba", "nvdiffrast" or "reference".

    Returns:
        Triangle, barycentrics and depth of each pixel.

    Raises:
        ValueError: a shape, dtype or device does not fit, an index lies outside the vertices, or the image is empty.

    Source: Laine et al. 2020 (nvdiffrast, arXiv 2011.03277), sec. 3.2; Olano and Greer 1997, "Triangle scan conversion
    using 2D homogeneous coordinates", for the edge functions.

    Example:
        >>> clip = torch.tensor([[[-1.0, -1.0, 0.0, 1.0], [3.0, -1.0, 0.0, 1.0], [-1.0, 3.0, 0.0, 1.0]]])
        >>> raster = rasterise(clip, torch.tensor([[0, 1, 2]]), height=1, width=2)
        >>> raster.triangle
        tensor([[[0, 0]]], dtype=torch.int32)
        >>> raster.uv[0, 0]
        tensor([[0.6250, 0.1250],
                [0.3750, 0.3750]])
    """
    check_clip("rasterise", clip)
    triangles = as_indices("rasterise", triangles, clip.shape[1], clip.device)
    if height < 1 or width < 1:
        raise ValueError(f"rasterise: the image has at least one pixel, not {height} x {width}")
    module = implementation("rasterise", backend, clip.device.type)
    triangle, uv, depth = module.rasterise(clip, triangles, height, width)
    uv_derivatives = module.raster_derivatives(clip.detach(), triangles, triangle) if derivatives else None
    return Raster(triangle, uv, depth, uv_derivatives)


@in_float32
def interpolate(
    attributes: Float[Tensor, "V C"] | Float[Tensor, "B V C"],
    raster: Raster,
    triangles: Int[Tensor, "F 3"],
    *,
    backend: str = "auto",
) -> Float[Tensor, "B H W C"]:
    """Vertex attributes at the pixels.

    For a pixel on a triangle with corner attributes a_0, a_1, a_2,

        out = u a_0 + v a_1 + (1 - u - v) a_2

    Differentiable in the attributes and, through u and v, in the clip positions that the raster came from.

    Args:
        attributes: C values per vertex, either the same for all images or one set for each; dtype of `raster.uv`.
        raster: as `rasterise` gives it.
        triangles: those that were rasterised.
        backend: "auto", "numba", "nvdiffrast" or "reference".

    Returns:
        Interpolated attributes; zeros where there is no triangle.

    Raises:
        ValueError: a shape, dtype or device does not fit.

    Source: Laine et al. 2020 (nvdiffrast, arXiv 2011.03277), sec. 3.3.

    Example:
        >>> clip = torch.tensor([[[-1.0, -1.0, 0.0, 1.0], [3.0, -1.0, 0.0, 1.0], [-1.0, 3.0, 0.0, 1.0]]])
        >>> triangles = torch.tensor([[0, 1, 2]])
        >>> raster = rasterise(clip, triangles, height=1, width=2)
        >>> interpolate(clip[0, :, :1], raster, triangles).flatten()
        tensor([-0.5000,  0.5000])
    """
    attributes, triangles = _per_image("interpolate", attributes, raster, triangles)
    module = implementation("rasterise", backend, attributes.device.type)
    return module.interpolate(attributes, raster.triangle, raster.uv, triangles, 1.0)


@in_float32
def interpolate_derivatives(
    attributes: Float[Tensor, "V C"] | Float[Tensor, "B V C"],
    raster: Raster,
    triangles: Int[Tensor, "F 3"],
    *,
    backend: str = "auto",
) -> Float[Tensor, "B H W C 2"]:
    """How fast interpolated attributes change from pixel to pixel: d out / dx and d out / dy, without gradients.

        d out / dx = du/dx a_0 + dv/dx a_1 - (du/dx + dv/dx) a_2        and likewise for y

    Arguments and errors as in `interpolate`; the raster must have been made with `derivatives=True`. For texture
    coordinates, `.flatten(-2)` of the result is what `sample_texture` takes as `uv_derivatives`.

    Returns:
        Change per pixel along x, to the right, and y, down the image; zeros where there is no triangle.

    Source: Laine et al. 2020 (nvdiffrast, arXiv 2011.03277), sec. 3.3.

    Example:
        >>> clip = torch.tensor([[[-1.0, -1.0, 0.0, 1.0], [3.0, -1.0, 0.0, 1.0], [-1.0, 3.0, 0.0, 1.0]]])
        >>> triangles = torch.tensor([[0, 1, 2]])
        >>> raster = rasterise(clip, triangles, height=1, width=2, derivatives=True)
        >>> interpolate_derivatives(clip[0, :, :1], raster, triangles)[0, 0, 0]
        tensor([[1., 0.]])
    """
    if raster.uv_derivatives is None:
        raise ValueError("interpolate_derivatives: the raster has none; call rasterise(..., derivatives=True)")
    attributes, triangles = _per_image("interpolate_derivatives", attributes.detach(), raster, triangles)
    module = implementation("rasterise", backend, attributes.device.type)
    along = (raster.uv_derivatives[..., 0::2].contiguous(), raster.uv_derivatives[..., 1::2].contiguous())
    changes = [module.interpolate(attributes, raster.triangle, weights, triangles, 0.0) for weights in along]
    return torch.stack(changes, dim=-1)


def _per_image(name: str, attributes: Tensor, raster: Raster, triangles: Tensor) -> tuple[Tensor, Tensor]:
    """Checked attributes as [1 or B, V, C], and triangles as int64."""
    images = raster.size[0]
    if attributes.ndim not in (2, 3) or (attributes.ndim == 3 and len(attributes) not in (1, images)):
        raise ValueError(f"{name}: attributes are [V, C] or [{images}, V, C], not {list(attributes.shape)}")
    check_float(name, "attributes", attributes)
    if attributes.dtype != raster.uv.dtype:
        raise ValueError(f"{name}: attributes are {attributes.dtype} and the raster is {raster.uv.dtype}")
    triangles = as_indices(name, triangles, attributes.shape[-2], attributes.device)
    check_raster(name, raster, triangles, attributes.device)
    return (attributes if attributes.ndim == 3 else attributes[None]), triangles
