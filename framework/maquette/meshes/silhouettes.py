"""The threshold of a volume's surface, chosen so that its silhouettes agree with the volume's pictures."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

SAMPLES_PER_VOXEL = 1.5  # along a ray
AS_GOOD = 0.005  # intersection over union below the best at which a threshold still counts as good as any
LEAST = 1e-3  # of the density above, a threshold at least
CHUNK = 2**15  # rays at a time


def silhouette_threshold(
    densities: Float[np.ndarray, "n n n"],
    bound: float,
    origins: Float[Tensor, "m 3"],
    directions: Float[Tensor, "m 3"],
    opaque: Bool[Tensor, " m"],
    typical: float,
) -> float:
    """The density whose level set covers the same pixels as a rendering of the volume.

    A ray meets the level set at t where the largest density along it exceeds t. So the intersection over union of both
    silhouettes is known for every t at once. Of all thresholds that are about as good as the best, the one closest to
    the typical threshold is taken, as silhouettes do not tell them apart.

    Args:
        densities: samples of the field on the cube, x first.
        bound: half side of the cube, scene units.
        origins, directions: of the rays through the pixels; unit directions.
        opaque: pixels that the rendering covers by more than half.
        typical: positive; returned where no pixel is opaque.
    """
    if not bool(opaque.any()):
        return typical
    highest = largest_along_rays(densities, bound, origins, directions).numpy().astype(np.float64)
    order = np.argsort(-highest, kind="stable")
    highest, hits = highest[order], np.cumsum(opaque.numpy()[order])
    agreement = hits / (hits[-1] + np.arange(1, len(hits) + 1) - hits)  # of the thresholds below each pixel's density
    below = np.append(highest[1:], 0.0)
    distinct = (highest > below) & (highest > 0)
    good = distinct & (agreement >= agreement[distinct].max(initial=0) - AS_GOOD)
    if not good.any():
        return typical
    low, high = np.maximum(below[good], LEAST * highest[good]), highest[good]  # thresholds of the same silhouettes
    distance = np.maximum(np.log(low / typical), np.log(typical / high)).clip(min=0)
    best = distance.argmin()
    return typical if distance[best] == 0 else float(np.sqrt(low[best] * high[best]))


@torch.no_grad()
def largest_along_rays(
    densities: Float[np.ndarray, "n n n"],
    bound: float,
    origins: Float[Tensor, "m 3"],
    directions: Float[Tensor, "m 3"],
) -> Float[Tensor, " m"]:
    """The largest density along each ray within the cube, by trilinear interpolation; 0 for rays that miss it.

    Args:
        densities: samples of the field on the cube [-bound, bound]^3, x first.
        bound: half side of the cube, scene units.
        origins, directions: of the rays; unit directions.

    Example:
        >>> ball = np.zeros((9, 9, 9), np.float32)
        >>> ball[4, 4, 4] = 7.0
        >>> forward = torch.tensor([[1.0, 0, 0], [1.0, 0, 0]])
        >>> largest_along_rays(ball, 1.0, torch.tensor([[-3.0, 0, 0], [-3.0, 0.5, 0]]), forward).round().tolist()
        [7.0, 0.0]
    """
    volume = torch.from_numpy(np.ascontiguousarray(densities, np.float32))[None, None]
    count = int(SAMPLES_PER_VOXEL * 3**0.5 * len(densities))
    fractions = torch.linspace(0, 1, count)
    parts = []
    for start, direction in zip(origins.float().split(CHUNK), directions.float().split(CHUNK), strict=True):
        safe = torch.where(direction.abs() < 1e-9, 1e-9, direction)
        ends = torch.stack([(-bound - start) / safe, (bound - start) / safe])
        near = ends.amin(0).amax(-1).clamp(min=0)
        far = ends.amax(0).amin(-1)
        depth = near[:, None] + (far - near).clamp(min=0)[:, None] * fractions
        points = (start[:, None] + depth[..., None] * direction[:, None]) / bound
        values = functional.grid_sample(volume, points.flip(-1)[None, None], align_corners=True)[0, 0, 0]
        parts.append(torch.where(far > near, values.amax(-1), 0.0))
    return torch.cat(parts)
