"""Features of an explicit mesh: at its vertices, in a texture, or from a field."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from maquette.geometry._factor_field import FactorField
from maquette.geometry._hash_field import HashField
from maquette.kernels.rasterise import Raster, interpolate, interpolate_derivatives, sample_texture
from maquette.randomness import Moment

Locate = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Points [n, 3] -> corners of the closest triangles [n, 3], as rows of the features or uv, and their weights [n, 3]."""

COLOR_MARGIN = 1 / 510  # half a step of 8 bits: colours stay this far from 0 and 1, where the logit is infinite
BLEND_MARGIN = 1e-6  # the same for blended colours


def features_from_colors(colors: Float[Tensor, "*n 3"], channels: int) -> Float[Tensor, "*n F"]:
    """Features with sigmoid(features) = `colors` in the first three channels, and 1/2 in the others."""
    features = colors.new_zeros(*colors.shape[:-1], channels)
    features[..., :3] = torch.logit(colors.clamp(COLOR_MARGIN, 1 - COLOR_MARGIN))[..., : min(channels, 3)]
    return features


class Paint(nn.Module, ABC):
    """Features on the triangles of a mesh.

    Features are stored as logits but interpolated between vertices or texels after the sigmoid, as other programs
    interpolate colours: halfway between black and white is grey.
    """

    filters = False  # whether it needs the raster's derivatives

    @abstractmethod
    def features_at_points(self, points: Float[Tensor, "n 3"], locate: Locate) -> Float[Tensor, "n F"]:
        """Features at points near the mesh; `locate` gives the closest points on it."""

    @abstractmethod
    def features_at_pixels(
        self, points: Float[Tensor, "n 3"], raster: Raster, corners: Int[Tensor, "T 3"], backend: str
    ) -> Float[Tensor, "n F"]:
        """Features at the n covered pixels of a raster.

        Args:
            points: surface points at these pixels, world frame [n, 3].
            raster: of the mesh.
            corners: rows of the features or uv at each triangle's corners [T, 3].
            backend: of the interpolation kernels.
        """

    def prepare(self, moment: Moment) -> None:
        """Update what depends on the step; called before each step."""

    def groups(self) -> dict[str, list[nn.Parameter]]:
        """Parameters by the name under which a stage gives them a learning rate."""
        return {"colors": list(self.parameters())}


class VertexPaint(Paint):
    """Features per vertex, interpolated linearly across each triangle."""

    def __init__(self, colors: Float[Tensor, "A 3"], channels: int) -> None:
        super().__init__()
        self.features = nn.Parameter(features_from_colors(colors, channels))

    def features_at_points(self, points: Float[Tensor, "n 3"], locate: Locate) -> Float[Tensor, "n F"]:
        corners, weights = locate(points)
        return _logit((torch.sigmoid(self.features)[corners] * weights[..., None]).sum(1))

    def features_at_pixels(
        self, points: Float[Tensor, "n 3"], raster: Raster, corners: Int[Tensor, "T 3"], backend: str
    ) -> Float[Tensor, "n F"]:
        return _logit(interpolate(torch.sigmoid(self.features), raster, corners, backend=backend)[raster.covered])


class TexturePaint(Paint):
    """A texture of features, trilinearly filtered with mip levels in renderings."""

    filters = True

    def __init__(self, uv: Float[Tensor, "A 2"], texture: Float[Tensor, "H W 3"], channels: int) -> None:
        """`uv` and the texture's rows as in `maquette.meshes.mesh.Mesh`: v points up, the first row is at v = 1."""
        super().__init__()
        self.register_buffer("uv", torch.stack([uv[:, 0], 1 - uv[:, 1]], dim=-1))
        self.uv: Tensor
        self.features = nn.Parameter(features_from_colors(texture, channels))

    def features_at_points(self, points: Float[Tensor, "n 3"], locate: Locate) -> Float[Tensor, "n F"]:
        corners, weights = locate(points)
        return self._sample_texture((self.uv[corners] * weights[..., None]).sum(1), None, "auto")

    def features_at_pixels(
        self, points: Float[Tensor, "n 3"], raster: Raster, corners: Int[Tensor, "T 3"], backend: str
    ) -> Float[Tensor, "n F"]:
        uv = interpolate(self.uv, raster, corners, backend=backend)[raster.covered]
        changes = interpolate_derivatives(self.uv, raster, corners, backend=backend)[raster.covered]
        return self._sample_texture(uv, changes.flatten(-2), backend)

    def _sample_texture(self, uv: Float[Tensor, "n 2"], changes: Float[Tensor, "n 4"] | None, backend: str) -> Tensor:
        texture, along = torch.sigmoid(self.features)[None], None if changes is None else changes[None, None]
        mode: Literal["linear", "trilinear"] = "linear" if changes is None else "trilinear"
        values = sample_texture(
            texture, uv[None, None], along, mode, "clamp", backend=backend
        )  # charts may touch the border
        return _logit(values[0, 0])


class FieldPaint(Paint):
    """Features from a field, of a hash grid or of factors, at the points themselves, independent of the triangles."""

    def __init__(self, field: HashField | FactorField) -> None:
        super().__init__()
        self.field = field

    def features_at_points(self, points: Float[Tensor, "n 3"], locate: Locate) -> Float[Tensor, "n F"]:
        return self.field.outputs(points)

    def features_at_pixels(
        self, points: Float[Tensor, "n 3"], raster: Raster, corners: Int[Tensor, "T 3"], backend: str
    ) -> Float[Tensor, "n F"]:
        return self.field.outputs(points)

    def prepare(self, moment: Moment) -> None:
        self.field.prepare(moment)

    def groups(self) -> dict[str, list[nn.Parameter]]:
        return self.field.groups()


def _logit(blend: Tensor) -> Tensor:
    return torch.logit(blend.clamp(BLEND_MARGIN, 1 - BLEND_MARGIN))
