"""The public face of silhouette antialiasing, and the table of edges that it needs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from maquette.kernels.backends import implementation
from maquette.kernels.precision import in_float32
from maquette.kernels.rasterise.raster import Raster, as_indices, check_clip, check_float, check_raster


@dataclass(frozen=True)
class EdgeTopology:
    """Which corner of which triangle lies across each edge of each triangle.

    Attributes:
        across: for the edge of triangle f opposite its corner k, the third corner j of the other triangle g on that
            edge, as 3 g + j; -1 for a border, and for an edge that three triangles or more share. int64.
    """

    across: Int[Tensor, "F 3"]


def edge_topology(triangles: Int[Tensor, "F 3"]) -> EdgeTopology:
    """Find the neighbour of each triangle across each of its edges.

    Build it once per set of triangles and hand it to every `antialias`. Edges are joined by vertex index: where a mesh
    repeats vertices, as along the seam of a texture, pass the triangles of the joined positions. Triangles that name a
    vertex twice are left out.

    Args:
        triangles: three vertices each; int32 or int64. Their winding does not matter.

    Returns:
        The corner across each edge.

    Raises:
        ValueError: the shape or dtype does not fit.

    Example:
        >>> edge_topology(torch.tensor([[0, 1, 2], [2, 1, 3]])).across
        tensor([[ 5, -1, -1],
                [-1, -1,  0]])
    """
    vertices = int(triangles.max()) + 1 if triangles.numel() else 0
    triangles = as_indices("edge_topology", triangles, vertices, triangles.device)
    proper = (triangles != triangles.roll(1, 1)).all(dim=1)
    sides = triangles[proper]
    ends = torch.stack([sides[:, [1, 2]], sides[:, [2, 0]], sides[:, [0, 1]]], dim=1)
    edge = torch.minimum(*ends.unbind(-1)).flatten() * vertices + torch.maximum(*ends.unbind(-1)).flatten()
    # Sides of the same edge stand together in the sorted order; a pair's two sides exchange their third corners.
    edge, order = torch.sort(edge, stable=True)
    _, count = torch.unique_consecutive(edge, return_counts=True)
    first = (count.cumsum(0) - count)[count == 2]
    one, other = order[first], order[first + 1]
    corner = torch.arange(triangles.numel(), device=triangles.device).reshape(-1, 3)[proper].flatten()
    across = torch.full_like(triangles, -1).flatten()
    across[corner[one]], across[corner[other]] = corner[other], corner[one]
    return EdgeTopology(across.reshape(-1, 3))


@in_float32
def antialias(
    color: Float[Tensor, "B H W C"],
    raster: Raster,
    clip: Float[Tensor, "B V 4"],
    triangles: Int[Tensor, "F 3"],
    topology: EdgeTopology | None = None,
    *,
    backend: str = "auto",
) -> Float[Tensor, "B H W C"]:
    """Blend colours across silhouettes by where these cross between pixel centres.

    For two pixels side by side or one above the other that show different triangles, let N be the nearer one and F the
    other. On the way from N to F, go from N's triangle to its neighbour across the edge that the way leaves it by, and
    so on, until that edge is a silhouette or F is reached. A silhouette that is rather upright than level, for pixels
    side by side, or rather level, for pixels one above the other, crosses the way at

        alpha = e(N) / (e(N) - e(F)) in [0, 1],        e the edge function p_a x p_b . q

    so that alpha - 1/2 is the signed part of a pixel by which the near surface reaches beyond the border between them:

        out_F += (alpha - 1/2) (color_N - color_F)        where alpha >= 1/2
        out_N += (1/2 - alpha) (color_F - color_N)        where alpha <  1/2

    An edge is a silhouette when one of its triangles faces the camera and the other does not, or when it has only one;
    a triangle seen edge-on, or without area, counts as facing away. Pixels of two triangles that share an edge which is
    no silhouette are not blended.

    Summed over an image, coverage equals the exact area up to the ends of edges; that makes the gradient in the
    vertices a true one. The paper looks at the edges of N's own triangle only. Going on to its neighbours, up to 32 of
    them, also finds the silhouettes of triangles too small or too foreshortened to hold a pixel's centre, and with them
    most of the gradient of a fine mesh.

    Differentiable in color and clip (x, y and w; not z). With the numba backend the gradient has the same bits for any
    number of threads, and is differentiable once.

    Args:
        color: the image; float32 or float64. Opacity and normals may ride along as further channels.
        raster: as `rasterise` gives it for the same clip and triangles.
        clip: homogeneous positions of the vertices, float32 or float64.
        triangles: those that were rasterised.
        topology: `edge_topology(triangles)`; None builds it anew at each call.
        backend: "auto", "numba", "nvdiffrast" or "reference".

    Returns:
        The image with smooth silhouettes.

    Raises:
        ValueError: a shape, dtype or device does not fit.

    Source: Laine et al. 2020 (nvdiffrast, arXiv 2011.03277), sec. 3.4; the way across small triangles is ours.

    Example:
        >>> from maquette.kernels.rasterise import rasterise
        >>> clip = torch.tensor([[[-1.0, -3.0, 0.0, 1.0], [-1.0, 3.0, 0.0, 1.0], [0.1, -3.0, 0.0, 1.0],
        ...                       [0.1, 3.0, 0.0, 1.0]]])
        >>> triangles = torch.tensor([[0, 1, 2], [2, 1, 3]])
        >>> raster = rasterise(clip, triangles, height=1, width=4)
        >>> antialias(raster.covered[..., None].float(), raster, clip, triangles).flatten()
        tensor([1.0000, 1.0000, 0.2000, 0.0000])
    """
    check_clip("antialias", clip)
    check_float("antialias", "color", color)
    if color.ndim != 4 or color.shape[:3] != raster.size or len(clip) != raster.size[0]:
        expected = ", ".join(map(str, raster.size))
        raise ValueError(
            f"antialias: color is [{expected}, C] and clip [{raster.size[0]}, V, 4], as the raster is, "
            f"not {list(color.shape)} and {list(clip.shape)}"
        )
    if color.device != clip.device:
        raise ValueError(f"antialias: color is on {color.device} and clip on {clip.device}")
    triangles = as_indices("antialias", triangles, clip.shape[1], clip.device)
    check_raster("antialias", raster, triangles, clip.device)
    topology = topology or edge_topology(triangles)
    _check_topology(topology, triangles)
    module = implementation("rasterise", backend, clip.device.type)
    return module.antialias(color, raster.triangle, raster.depth.detach(), clip, triangles, topology.across)


def _check_topology(topology: EdgeTopology, triangles: Tensor) -> None:
    across = topology.across
    if across.shape != triangles.shape or across.dtype != torch.int64 or across.device != triangles.device:
        raise ValueError(
            f"antialias: the topology is of {list(across.shape)} {across.dtype} on {across.device} and the "
            f"triangles of {list(triangles.shape)}; build it with edge_topology(triangles)"
        )
    if not across.is_cuda and across.numel() and int(across.max()) >= across.numel():
        raise ValueError(f"antialias: the topology refers to triangle {int(across.max()) // 3} of {len(across)}")
