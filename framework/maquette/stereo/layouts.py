"""Two views as one picture: side by side, over and under, as a red-cyan anaglyph; and shifts as grey values."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from maquette.images.color import linear_to_srgb, srgb_to_linear

# Linear light of the left and right view -> that of the anaglyph, least squares for the filters and a CRT's primaries.
DUBOIS_LEFT = (
    (0.4561, 0.500484, 0.176381), (-0.0400822, -0.0378246, -0.0157589), (-0.0152161, -0.0205971, -0.00546856),
)  # fmt: skip
DUBOIS_RIGHT = (
    (-0.0434706, -0.0879388, -0.00155529), (0.378476, 0.73364, -0.0184503), (-0.0721527, -0.112961, 1.2264),
)  # fmt: skip
GREY_RANGE = 0.045  # shift, as a fraction of the width, that is white before the screen and black behind it


def side_by_side(left: Float[Tensor, "B H W 3"], right: Float[Tensor, "B H W 3"]) -> Float[Tensor, "B H 2*W 3"]:
    """The left view at the left, the right one at the right."""
    return torch.cat([left, right], dim=2)


def half_side_by_side(left: Float[Tensor, "B H W 3"], right: Float[Tensor, "B H W 3"]) -> Float[Tensor, "B H C 3"]:
    """Side by side in the width of one view, each of half the width; an odd width is extended by its last column."""
    rows, half = left.shape[1], (left.shape[2] + 1) // 2
    views = torch.cat([left, right]).permute(0, 3, 1, 2)
    views = functional.pad(views, (0, 2 * half - left.shape[2], 0, 0), mode="replicate")
    one, other = functional.interpolate(views, (rows, half), mode="area").permute(0, 2, 3, 1).chunk(2)
    return torch.cat([one, other], dim=2)


def over_under(left: Float[Tensor, "B H W 3"], right: Float[Tensor, "B H W 3"]) -> Float[Tensor, "B 2*H W 3"]:
    """The left view above the right one."""
    return torch.cat([left, right], dim=1)


def anaglyph(left: Float[Tensor, "B H W 3"], right: Float[Tensor, "B H W 3"]) -> Float[Tensor, "B H W 3"]:
    """A colour anaglyph for glasses that are red at the left eye and cyan at the right one.

    Source: Dubois 2001 (ICASSP, "A projection method to generate anaglyph stereo images"); the numbers are those of
    Sanders and McAllister 2003.
    """
    light = sum(
        srgb_to_linear(view) @ view.new_tensor(matrix).T
        for view, matrix in ((left, DUBOIS_LEFT), (right, DUBOIS_RIGHT))
    )
    assert isinstance(light, Tensor)
    return linear_to_srgb(light.clamp(0, 1))


def grey_shifts(shift: Float[Tensor, "B h w 1"], size: tuple[int, int]) -> Float[Tensor, "B H W 3"]:
    """Shifts as grey values of a size: the screen is grey, what is before it brighter."""
    grey = (0.5 - shift / (2 * GREY_RANGE)).clamp(0, 1).permute(0, 3, 1, 2)
    if tuple(grey.shape[2:]) != size:
        grey = functional.interpolate(grey, size, mode="bilinear")
    return grey.permute(0, 2, 3, 1).expand(-1, -1, -1, 3)
