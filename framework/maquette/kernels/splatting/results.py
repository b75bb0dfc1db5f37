"""The results of projection and of splatting, and the constants that all backends share."""

from __future__ import annotations

import math
from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

TILE = 16  # pixels along a side
LOW_PASS = 0.3  # px^2 added to the screen covariance: no Gaussian is thinner than about a pixel
DISK_LOW_PASS = 0.5  # px^2, variance of the round Gaussian on the screen that a disk is at least
GUARD = 1.3  # the slope of the projection is taken at most this far off axis, in half fields of view
LEAST_ALPHA = 1 / 255  # a fainter contribution is left out
MOST_ALPHA = 0.99  # hence no Gaussian hides all that is behind it
LEAST_TRANSMITTANCE = 1e-4  # a pixel ends before the Gaussian that would leave less
OPAQUE_DEVIATIONS = math.sqrt(
    -2 * math.log(LEAST_ALPHA)
)  # standard deviations at which an opaque Gaussian falls below LEAST_ALPHA
RADIUS = 3.0  # standard deviations that count as the radius


@dataclass(frozen=True)
class Projected:
    """N Gaussians, or N disks, as one camera sees them; rows of the invisible ones are zeros.

    Attributes:
        means: (u, v) in pixels: u to the right, v down, (0, 0) the corner of the top left pixel. After
            `means.retain_grad()` and a backward pass, `means.grad` is the screen-space gradient.
        depths: distance of the mean along the viewing axis, in scene units; > near.
        conics: (a, b, c) of the inverse screen covariance [[a, b], [b, c]], per square pixel; of disks, that of the
            low-pass.
        compensation: factor on the opacity that undoes the brightening by the low-pass, in [0, 1]; 1 for disks.
        deviations: standard deviations along u and along v, in pixels; of disks, an upper bound. No gradient.
        radii: three standard deviations along the longest screen axis, in pixels, rounded up; of disks, of the longer
            side of their box, height + width at most. No gradient.
        visible: whether it is in front of the near plane, on the picture and not degenerate.
        height: rows of the picture.
        width: columns of the picture.
        transforms: of disks, the matrix that takes (a, b, 1), a place on the disk in standard deviations, to
            z (x, y, 1), its depth and its pixel counted from the mean's; None for Gaussians.
        normals: of disks, unit normals in the world that face the camera; None for Gaussians.
    """

    means: Float[Tensor, "n 2"]
    depths: Float[Tensor, " n"]
    conics: Float[Tensor, "n 3"]
    compensation: Float[Tensor, " n"]
    deviations: Float[Tensor, "n 2"]
    radii: Float[Tensor, " n"]
    visible: Bool[Tensor, " n"]
    height: int
    width: int
    transforms: Float[Tensor, "n 3 3"] | None = None
    normals: Float[Tensor, "n 3"] | None = None

    def __len__(self) -> int:
        return len(self.means)


@dataclass(frozen=True)
class Splatted:
    """A picture of Gaussians, over nothing.

    Attributes:
        values: sum of w v over the Gaussians of a pixel; not divided by the opacity.
        opacity: sum of w, in [0, 1].
        depth: sum of w z / sum of w, along the viewing axis in scene units; 0 where the opacity is 0.
    """

    values: Float[Tensor, "h w channels"]
    opacity: Float[Tensor, "h w"]
    depth: Float[Tensor, "h w"]
