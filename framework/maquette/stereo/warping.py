"""Maps of shifts: from the left view to the right one, near over far; their holes; and the colours that they show."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def shifts_at_right(shifts: Float[Tensor, "B H W"]) -> Float[Tensor, "B H W"]:
    """Shifts at the pixels of the right view, NaN where no pixel of the left view comes to lie.

    Each pixel goes to the column nearest to its place; of several the nearest wins, which has the most negative shift.

    Args:
        shifts: at the pixels of the left view, in columns.
    """
    width = shifts.shape[-1]
    target = (torch.arange(width, device=shifts.device) + shifts).round().long()
    inside = (target >= 0) & (target < width)
    empty = torch.full_like(shifts, torch.inf)
    nearest = empty.scatter_reduce(-1, target.clamp(0, width - 1), torch.where(inside, shifts, torch.inf), "amin")
    return torch.where(nearest.isinf(), torch.nan, nearest)


def fill_holes(shifts: Float[Tensor, "B H W"]) -> Float[Tensor, "B H W"]:
    """Shifts without NaN: a hole takes the farther of its two neighbours in the row; a row without any takes 0.

    Example:
        >>> fill_holes(torch.tensor([[[-2.0, torch.nan, torch.nan, 1.0]]]))
        tensor([[[-2.,  1.,  1.,  1.]]])
    """
    from_left = _carried(shifts)
    from_right = _carried(shifts.flip(-1)).flip(-1)
    lowest = torch.finfo(shifts.dtype).min
    farther = torch.maximum(from_left.nan_to_num(nan=lowest), from_right.nan_to_num(nan=lowest))
    return torch.where(farther == lowest, 0.0, torch.where(shifts.isnan(), farther, shifts))


def sample_shifted(left: Float[Tensor, "B H W 3"], shifts: Float[Tensor, "B H W"]) -> Float[Tensor, "B H W 3"]:
    """Colours of the left view at column x - shift, linear between columns, edges repeated.

    Args:
        shifts: at the pixels of the right view, in columns; where one is NaN, the colour is.
    """
    columns = left.shape[2]
    places = (torch.arange(columns, device=left.device) - shifts).clamp(0, columns - 1)
    before = places.nan_to_num().floor().long()
    after, fraction = (before + 1).clamp(max=columns - 1), (places - before)[..., None]
    one, other = (left.gather(2, index[..., None].expand(-1, -1, -1, 3)) for index in (before, after))
    return torch.lerp(one, other, fraction)


def _carried(shifts: Float[Tensor, "B H W"]) -> Float[Tensor, "B H W"]:
    """Each NaN replaced by the number before it in its row; NaN where there is none."""
    columns = torch.arange(shifts.shape[-1], device=shifts.device).expand_as(shifts)
    latest = torch.where(shifts.isnan(), -1, columns).cummax(-1).values
    return torch.where(latest < 0, torch.nan, shifts.gather(-1, latest.clamp(min=0)))
