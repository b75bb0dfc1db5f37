"""A network of a fixed input size on frames of any size: overlapping crops, blended with a feathered window."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from maquette.stereo.network import Architecture

FEATHER = 0.2  # of a crop's shorter side, over which its weight rises from the border; the original's is 32 of 160


def working_size(rows: int, columns: int, architecture: Architecture) -> tuple[int, int]:
    """Rows and columns to which a frame is resized: as wide as training frames, and no smaller than a crop.

    Example:
        >>> working_size(720, 1280, Architecture())
        (243, 432)
    """
    crop_rows, crop_columns = architecture.size
    scale = max(architecture.frame[1] / columns, crop_rows / rows)
    return max(round(rows * scale), crop_rows), max(round(columns * scale), crop_columns)


def places(size: tuple[int, int], crop: tuple[int, int]) -> list[tuple[int, int]]:
    """Rows and columns where crops begin that cover a frame, with at least half of each shared with the next."""
    rows, columns = (
        [round(i * (side - part) / max(count - 1, 1)) for i in range(count)]
        for side, part in zip(size, crop, strict=True)
        for count in [1 + math.ceil((side - part) / (part / 2))]
    )
    return [(row, column) for row in rows for column in columns]


def feather(crop: tuple[int, int]) -> Float[Tensor, "h w"]:
    """Weight of a crop's pixels: it rises from every border to 1."""
    width = FEATHER * min(crop)
    rows, columns = ((torch.minimum(i + 1, n - i) / width).clamp(max=1) for n in crop for i in [torch.arange(n)])
    return torch.minimum(rows[:, None], columns)


def _resized(frame: Float[Tensor, "1 H W 3"], size: tuple[int, int]) -> Float[Tensor, "1 R C 3"]:
    if tuple(frame.shape[1:3]) == size:
        return frame
    small = functional.interpolate(frame.permute(0, 3, 1, 2), size, mode="bilinear", antialias=True)
    return small.clamp(0, 1).permute(0, 2, 3, 1)


def by_crops(
    evaluate: Callable[[Float[Tensor, "N h w 3"]], Float[Tensor, "N K h w"]],
    left: Float[Tensor, "B H W 3"],
    architecture: Architecture,
    batch: int,
) -> Float[Tensor, "B K R C"]:
    """Maps of whole frames at the network's working size, whose columns are those that the network counts shifts in.

    Args:
        evaluate: the network, on crops of its input size.
        left: frames in [0, 1].
        architecture: of the network.
        batch: crops per evaluation.
    """
    size = working_size(left.shape[1], left.shape[2], architecture)
    rows, columns = architecture.size
    frames = torch.cat([_resized(frame, size) for frame in left.split(1)])  # large frames one by one, to spare memory
    corners = places(size, architecture.size)
    crops = torch.cat([frames[:, y : y + rows, x : x + columns] for y, x in corners])
    maps = torch.cat([evaluate(part) for part in crops.split(batch)]).unflatten(0, (len(corners), len(left)))
    weight = feather(architecture.size).to(maps)
    total, weights = maps.new_zeros(len(left), maps.shape[2], *size), maps.new_zeros(size)
    for (y, x), values in zip(corners, maps, strict=True):
        total[..., y : y + rows, x : x + columns] += values * weight
        weights[y : y + rows, x : x + columns] += weight
    return total / weights
