"""The result of rasterisation, the input of interpolation, texturing and antialiasing, and its validation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Raster:
    """For each pixel the nearest triangle and where on it the ray through the pixel's centre arrives.

    Row 0 is the top row of the image, column 0 the left one.

    Attributes:
        triangle: index of the triangle, int32; -1 where there is none.
        uv: perspective-correct barycentric weights of the triangle's first and second corner, in [0, 1]; the third
            corner has 1 - u - v. Zeros where there is no triangle.
        depth: z / w, -1 on the near plane and 1 on the far plane; 1 where there is no triangle.
        uv_derivatives: du/dx, du/dy, dv/dx, dv/dy per pixel, x to the right and y down the image; carries no gradient.
            None unless asked for.
    """

    triangle: Int[Tensor, "B H W"]
    uv: Float[Tensor, "B H W 2"]
    depth: Float[Tensor, "B H W"]
    uv_derivatives: Float[Tensor, "B H W 4"] | None = None

    @property
    def covered(self) -> Tensor:
        """Where there is a triangle; bool [B, H, W]."""
        return self.triangle >= 0

    @property
    def size(self) -> tuple[int, int, int]:
        """Images, height and width."""
        images, height, width = self.triangle.shape
        return images, height, width


def as_indices(name: str, triangles: Tensor, vertices: int, device: torch.device) -> Int[Tensor, "F 3"]:
    """Triangles as int64 that are safe to index `vertices` rows with; ValueError where they are not."""
    if triangles.ndim != 2 or triangles.shape[1] != 3 or triangles.dtype not in (torch.int32, torch.int64):
        raise ValueError(f"{name}: triangles are int32 or int64 [F, 3], not {triangles.dtype} {list(triangles.shape)}")
    if triangles.device != device:
        raise ValueError(f"{name}: the vertices are on {device} and the triangles on {triangles.device}")
    # Reading the range would make a GPU wait; on the CPU a wrong index would be read out of bounds.
    if not triangles.is_cuda and len(triangles):
        low, high = (int(bound) for bound in triangles.aminmax())
        if low < 0 or high >= vertices:
            raise ValueError(f"{name}: triangles refer to vertices {low} to {high}, but there are {vertices}")
    return triangles.long()


def check_clip(name: str, clip: Tensor) -> None:
    """ValueError unless these are clip-space positions."""
    if clip.ndim != 3 or clip.shape[-1] != 4:
        raise ValueError(f"{name}: clip is [B, V, 4], homogeneous clip-space positions, not {list(clip.shape)}")
    check_float(name, "clip", clip)


def check_float(name: str, what: str, values: Tensor) -> None:
    """ValueError unless the values are float32 or float64."""
    if values.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"{name}: {what} is float32 or float64, not {values.dtype}")


def check_raster(name: str, raster: Raster, triangles: Tensor, device: torch.device) -> None:
    """ValueError unless the raster may have been drawn from these triangles."""
    if raster.triangle.device != device:
        raise ValueError(f"{name}: the raster is on {raster.triangle.device} and the other inputs on {device}")
    if not raster.triangle.is_cuda and raster.triangle.numel():
        highest = int(raster.triangle.max())
        if highest >= len(triangles):
            raise ValueError(
                f"{name}: the raster shows triangle {highest}, but there are {len(triangles)}; "
                "pass the triangles that it was rasterised from"
            )
