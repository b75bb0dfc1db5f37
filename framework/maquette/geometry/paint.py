"""What gives an explicit mesh its features: numbers at its vertices, a texture, or a field."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from maquette.geometry._hash_field import HashField
from maquette.kernels.rasterise import Raster, interpolate, interpolate_derivatives, sample_texture
from maquette.randomness import Moment

Locate = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Points [n, 3] -> the corners of their triangles [n, 3], as rows of what is painted, and their weights [n, 3]."""

LEAST = 1 / 510  # half a step of 8 bits: colours are kept this far from 0 and 1, where a sigmoid never arrives
LIMIT = 1e-6  # the same for blends, which must not run into infinity


def unshaded(colors: Float[Tensor, "*n 3"], channels: int) -> Float[Tensor, "*n F"]:
    """Features whose sigmoid is `colors` in the first three channels, and 1/2 in the others."""
    features = colors.new_zeros(*colors.shape[:-1], channels)
    features[..., :3] = torch.logit(colors.clamp(LEAST, 1 - LEAST))[..., : min(channels, 3)]
    return features


class Paint(nn.Module, ABC):
    """Features on the triangles of a mesh.

    Features are stored before their activation and blended after it, between vertices or texels, so that a picture
    looks as in other programs: halfway between black and white is grey, however black the black.
    """

    filters = False  # whether it reads the raster's derivatives

    @abstractmethod
    def anywhere(self, points: Float[Tensor, "n 3"], locate: Locate) -> Float[Tensor, "n F"]:
        """Features at points near the mesh; `locate` finds the closest ones on it."""

    @abstractmethod
    def drawn(
        self, points: Float[Tensor, "n 3"], raster: Raster, corners: Int[Tensor, "F 3"], backend: str
    ) -> Float[Tensor, "n F"]:
        """Features at the covered pixels of a raster, where `points` lie, of triangles with these corners."""

    def prepare(self, moment: Moment) -> None:
        """Set what depends on the step; called before each step."""

    def groups(self) -> dict[str, list[nn.Parameter]]:
        """Parameters by the name under which a stage gives them a learning rate."""
        return {"colors": list(self.parameters())}


class VertexPaint(Paint):
    """A row of features per vertex, blended linearly across each triangle."""

    def __init__(self, colors: Float[Tensor, "A 3"], channels: int) -> None:
        super().__init__()
        self.features = nn.Parameter(unshaded(colors, channels))

    def anywhere(self, points: Float[Tensor, "n 3"], locate: Locate) -> Float[Tensor, "n F"]:
        corners, weights = locate(points)
        return _logit((torch.sigmoid(self.features)[corners] * weights[..., None]).sum(1))

    def drawn(
        self, points: Float[Tensor, "n 3"], raster: Raster, corners: Int[Tensor, "F 3"], backend: str
    ) -> Float[Tensor, "n F"]:
        return _logit(interpolate(torch.sigmoid(self.features), raster, corners, backend=backend)[raster.covered])


class TexturePaint(Paint):
    """A picture of features that `uv` lays on the triangles, filtered with mip levels where it is drawn."""

    filters = True

    def __init__(self, uv: Float[Tensor, "A 2"], texture: Float[Tensor, "H W 3"], channels: int) -> None:
        """`uv` and the texture's rows as in `maquette.meshes.mesh.Mesh`: v points up, the first row is at v = 1."""
        super().__init__()
        self.register_buffer("uv", torch.stack([uv[:, 0], 1 - uv[:, 1]], dim=-1))
        self.uv: Tensor
        self.features = nn.Parameter(unshaded(texture, channels))

    def anywhere(self, points: Float[Tensor, "n 3"], locate: Locate) -> Float[Tensor, "n F"]:
        corners, weights = locate(points)
        return self._looked_up((self.uv[corners] * weights[..., None]).sum(1), None, "auto")

    def drawn(
        self, points: Float[Tensor, "n 3"], raster: Raster, corners: Int[Tensor, "F 3"], backend: str
    ) -> Float[Tensor, "n F"]:
        uv = interpolate(self.uv, raster, corners, backend=backend)[raster.covered]
        changes = interpolate_derivatives(self.uv, raster, corners, backend=backend)[raster.covered]
        return self._looked_up(uv, changes.flatten(-2), backend)

    def _looked_up(self, uv: Float[Tensor, "n 2"], changes: Float[Tensor, "n 4"] | None, backend: str) -> Tensor:
        texture, along = torch.sigmoid(self.features)[None], None if changes is None else changes[None, None]
        mode: Literal["linear", "trilinear"] = "linear" if changes is None else "trilinear"
        found = sample_texture(texture, uv[None, None], along, mode, "clamp", backend=backend)  # charts may touch rims
        return _logit(found[0, 0])


class FieldPaint(Paint):
    """A hash-grid field around the mesh; needs nothing of the triangles."""

    def __init__(self, field: HashField) -> None:
        super().__init__()
        self.field = field

    def anywhere(self, points: Float[Tensor, "n 3"], locate: Locate) -> Float[Tensor, "n F"]:
        return self.field.outputs(points)

    def drawn(
        self, points: Float[Tensor, "n 3"], raster: Raster, corners: Int[Tensor, "F 3"], backend: str
    ) -> Float[Tensor, "n F"]:
        return self.field.outputs(points)

    def prepare(self, moment: Moment) -> None:
        self.field.prepare(moment)

    def groups(self) -> dict[str, list[nn.Parameter]]:
        return self.field.groups()


def _logit(blend: Tensor) -> Tensor:
    return torch.logit(blend.clamp(LIMIT, 1 - LIMIT))
