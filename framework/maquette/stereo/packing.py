"""Whether frames hold two views already, side by side or one over the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from maquette.images.resampling import downsample

HALF = 64  # columns that each half is reduced to
REACH = 6  # columns by which the halves may be shifted against each other
ALIKE = 0.6  # correlation of the edges of two halves above which they show the same
FLAT = 1e-4  # variance of edges below which a frame says nothing


def packing_of(frames: Sequence[np.ndarray]) -> str:
    """How frames seem to be packed: "side by side", "over and under", or "" for one view.

    The two halves of a stereo frame have the same edges but for small shifts; those of other pictures do not.

    Args:
        frames: some frames of a film, bytes [H, W, 3].
    """
    for name, axis in (("side by side", 1), ("over and under", 0)):
        likenesses = [likeness for frame in frames if (likeness := _likeness(frame, axis)) is not None]
        if likenesses and float(np.median(likenesses)) > ALIKE:
            return name
    return ""


def _likeness(frame: np.ndarray, axis: int) -> float | None:
    """Correlation between the edges of the two halves of a frame, at the shift where it is largest.

    It is the lesser one of upright and of level edges, so that stripes are not enough; None: there are hardly any.
    """
    side = frame.shape[axis] // 2
    halves = [frame[:, :side], frame[:, -side:]] if axis == 1 else [frame[:side], frame[-side:]]
    small = [_reduced(torch.from_numpy(half.astype(np.float32) / 255)) for half in halves]
    likenesses = []
    for direction in (0, 1):
        one, other = (values.diff(dim=direction) for values in small)
        if min(float(one.var()), float(other.var())) < FLAT:
            return None
        columns = slice(REACH, one.shape[1] - REACH)
        rolled = [other.roll(shift, 1)[:, columns] for shift in range(-REACH, REACH + 1)]
        pairs = [torch.stack([one[:, columns].flatten(), values.flatten()]) for values in rolled]
        likenesses.append(max(float(torch.corrcoef(pair)[0, 1]) for pair in pairs))
    return min(likenesses)


def _reduced(half: Float[Tensor, "h w 3"]) -> Float[Tensor, "R C"]:
    """A small grey picture."""
    grey = half.mean(-1)[None, :, :, None]
    return downsample(grey, (min(HALF, half.shape[0]), min(HALF, half.shape[1])))[0, ..., 0]
