"""The triangle mesh type of geometries, conversions and exporters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from maquette.errors import RunError

if TYPE_CHECKING:
    import trimesh


class EmptySurface(RunError):
    """There is nothing to export or convert: no surface, no Gaussian, no face. A run says so and goes on."""


@dataclass(frozen=True, eq=False)
class Mesh:
    """A triangle mesh in world axes (right-handed, z up, front along +x), wound so that normals point outward.

    Arrays are converted to the dtypes below; textures follow the OBJ convention: u to the right, v up, and the
    texture's first row is at v = 1.

    Args:
        vertices: positions [V, 3] float32.
        faces: vertex indices [F, 3] int64.
        vertex_colors: display (sRGB) colours [V, 3] float32 in [0, 1].
        uv: texture coordinates [V, 2] float32 in [0, 1]; vertices on a seam are repeated.
        texture: display (sRGB) colours [H, W, 3] float32 in [0, 1]; needs `uv`.
        normals: outward unit normals per vertex [V, 3] float32.
        metallic_roughness: metallic and roughness [H, W, 2] float32 in [0, 1], laid out like the texture, possibly of
            another size; needs `uv`.

    Raises:
        ValueError: a shape, an index or a range is wrong.

    Example:
        >>> Mesh([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]]).bounds.tolist()
        [[0.0, 0.0, 0.0], [1.0, 1.0, 0.0]]
    """

    vertices: np.ndarray
    faces: np.ndarray
    vertex_colors: np.ndarray | None = None
    uv: np.ndarray | None = None
    texture: np.ndarray | None = None
    normals: np.ndarray | None = None
    metallic_roughness: np.ndarray | None = None

    def __post_init__(self) -> None:
        vertices = self._convert("vertices", np.float32, (None, 3))
        faces = self._convert("faces", np.int64, (None, 3))
        count = len(vertices)
        if len(faces) and not (faces.min() >= 0 and faces.max() < count):
            raise ValueError(f"faces must index the {count} vertices, but range from {faces.min()} to {faces.max()}")
        if self.vertex_colors is not None:
            _in_unit_range("vertex_colors", self._convert("vertex_colors", np.float32, (count, 3)))
        if self.uv is not None:
            _in_unit_range("uv", self._convert("uv", np.float32, (count, 2)))
        if self.normals is not None:
            self._convert("normals", np.float32, (count, 3))
        for name, channels in (("texture", 3), ("metallic_roughness", 2)):
            if getattr(self, name) is not None:
                _in_unit_range(name, self._convert(name, np.float32, (None, None, channels)))
                if self.uv is None:
                    raise ValueError(f"a {name} needs uv coordinates to be looked up with")

    def _convert(self, name: str, dtype: type, shape: tuple[int | None, ...]) -> np.ndarray:
        array: np.ndarray = np.ascontiguousarray(getattr(self, name), dtype=dtype)
        if array.size == 0 and array.ndim == 1 and shape == (None, 3):
            array = array.reshape(0, 3)
        fits = array.ndim == len(shape) and all(w in (None, g) for w, g in zip(shape, array.shape, strict=True))
        if not fits:
            expected = ", ".join("any" if size is None else str(size) for size in shape)
            raise ValueError(f"{name} must have shape [{expected}], not {list(array.shape)}")
        if dtype is np.float32 and not np.isfinite(array).all():
            raise ValueError(f"{name} has {int((~np.isfinite(array)).sum())} numbers that are not finite")
        object.__setattr__(self, name, array)
        return array

    @property
    def is_empty(self) -> bool:
        """Whether there is no face."""
        return len(self.faces) == 0

    @property
    def bounds(self) -> np.ndarray:
        """Smallest and largest corner [2, 3]; zeros without vertices."""
        if len(self.vertices) == 0:
            return np.zeros((2, 3), np.float32)
        return np.stack([self.vertices.min(0), self.vertices.max(0)])

    @property
    def face_areas(self) -> np.ndarray:
        """Area of each face [F] float64."""
        return np.linalg.norm(self._crosses(), axis=1) / 2

    @property
    def face_volumes(self) -> np.ndarray:
        """Signed volume between the origin and each face [F] float64; a closed surface's sum is its volume."""
        return np.einsum("fi,fi->f", self.vertices[self.faces[:, 0]].astype(np.float64), self._crosses()) / 6

    @property
    def volume(self) -> float:
        """Enclosed volume; positive when a closed surface is wound outward."""
        return float(self.face_volumes.sum())

    def _crosses(self) -> np.ndarray:
        a, b, c = (self.vertices[self.faces[:, i]].astype(np.float64) for i in range(3))
        return np.cross(b - a, c - a)

    def vertex_normals(self) -> np.ndarray:
        """`normals` where given, otherwise angle-weighted means of the adjacent faces' [V, 3] float32."""
        if self.normals is not None:
            return self.normals
        return np.asarray(self.to_trimesh().vertex_normals, np.float32)

    def to_trimesh(self) -> trimesh.Trimesh:
        """Vertices, faces and given normals as a `trimesh.Trimesh`, unprocessed; without colours."""
        import trimesh

        return trimesh.Trimesh(self.vertices, self.faces, vertex_normals=self.normals, process=False, validate=False)


def _in_unit_range(name: str, array: np.ndarray) -> None:
    if array.size and not (array.min() >= 0 and array.max() <= 1):
        raise ValueError(f"{name} must lie in [0, 1], but ranges from {array.min():.4g} to {array.max():.4g}")
