"""An explicit triangle mesh, from a file or a simple shape, fixed or optimised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from maquette.errors import ConfigError
from maquette.geometry._hash_field import HashField, HashFieldConfig
from maquette.geometry.base import Surface, SurfaceMesh
from maquette.geometry.paint import FieldPaint, Paint, TexturePaint, VertexPaint
from maquette.kernels.rasterise import Raster
from maquette.meshes.closest import closest_points
from maquette.meshes.mesh import Mesh
from maquette.meshes.placement import Fit, Front, Placement, Up
from maquette.meshes.reading import read_mesh
from maquette.meshes.texture import bake, unwrap
from maquette.meshes.tree import TriangleTree
from maquette.randomness import Moment
from maquette.registry import register

UNPAINTED = 0.5  # colour of a mesh that comes without


@register("geometry", "mesh")
class TriangleMesh(Surface):
    """Vertices and triangles, with features at the vertices, in a texture, or from a hash-grid field.

    Vertices at one place are one, so that a seam of the texture neither opens when they move nor shows in normals; the
    features keep the file's own vertices, which are repeated along seams.
    """

    @dataclass(frozen=True)
    class Config(HashFieldConfig):
        path: str = ""  # .obj, .glb, .gltf, .ply, .off or .stl file; empty: the shape
        shape: Literal["sphere", "box"] = "sphere"
        subdivisions: int = 4  # of the shape; each makes four triangles of one
        up: Up = "auto"  # the file's axis that points up; auto: y for glTF, z for the rest
        front: Front = "auto"  # where the file's object looks; auto: +z where y is up, +x where z is
        fit: Fit = "extent"  # extent, radius: centred, that measure made `size`; none: as in the file
        size: float = 1.2  # scene units
        colors: Literal["auto", "vertex", "texture", "field"] = "auto"  # auto: texture where there is one, else vertex
        texture_size: int = 1024  # texels along a side of a new texture, and at most of a file's
        max_faces: int = 30_000  # of a mesh made out of another geometry: it is decimated to about this many
        move_vertices: bool = False  # learn the shape
        learn_colors: bool = True

        def __post_init__(self) -> None:
            Placement(self.up, self.front, self.fit, self.size)
            if self.subdivisions < 0 or self.texture_size < 16 or self.max_faces < 4:
                raise ValueError("a mesh has 0 subdivisions or more, a texture_size of at least 16, and max_faces of 4")

    explicit = True

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config, self.bound, self.channels = config, config.bound, config.channels
        mesh = _initial(config)
        self.colors: Literal["vertex", "texture", "field"]
        if config.colors == "auto":
            self.colors = "vertex" if mesh.texture is None else "texture"
        else:
            self.colors = config.colors
        self.positions = nn.Parameter(torch.zeros(0, 3), requires_grad=config.move_vertices)
        for name in ("triangles", "corners"):  # the corners of a triangle as rows of positions, and of the paint
            self.register_buffer(name, torch.zeros(0, 3, dtype=torch.int64))
        self.triangles: Tensor
        self.corners: Tensor
        self._tree: tuple[Tensor, TriangleTree] | None  # of these positions
        self.paint: Paint
        if self.colors == "field":
            self.paint = FieldPaint(HashField(config, config.channels))
        self.take(mesh)

    def take(self, mesh: Mesh) -> None:
        """Become `mesh`, which must lie within the bound: its triangles, and its colours in the form that this one has.

        A field of colours stays what it is.

        Raises:
            ConfigError: it is empty or does not lie within the bound.
        """
        if mesh.is_empty:
            raise ConfigError("the mesh is empty", key="geometry")
        reach = float(np.abs(mesh.vertices).max())
        if reach > self.bound:
            raise ConfigError(
                f"the mesh reaches {reach:.4g}, beyond the bound {self.bound:g}", key="geometry.size",
                hint="make size smaller or bound larger, and with fit: none choose another fit",
            )  # fmt: skip
        device = self.positions.device
        mesh, self.paint = self._painted(mesh)
        places, triangles = _welded(mesh.vertices, mesh.faces)
        self.positions.data = torch.from_numpy(places).to(device)
        self.triangles, self.corners = (torch.from_numpy(index).to(device) for index in (triangles, mesh.faces))
        self.paint.requires_grad_(self.config.learn_colors).to(device)
        self.filters, self._tree = self.paint.filters, None

    def prepare(self, moment: Moment) -> None:
        self.paint.prepare(moment)

    def groups(self) -> dict[str, list[nn.Parameter]]:
        shape = {"shape": [self.positions]} if self.config.move_vertices else {}
        return {**shape, **(self.paint.groups() if self.config.learn_colors else {})}

    def mesh(self) -> SurfaceMesh:
        return SurfaceMesh(self.positions, self.triangles)

    def features(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, "n F"]:
        """Features at the closest points of the mesh; a field's at the points themselves."""
        return self.paint.anywhere(points, self._locate)

    def features_at(self, points: Float[Tensor, "n 3"], raster: Raster, backend: str = "auto") -> Float[Tensor, "n F"]:
        return self.paint.drawn(points, raster, self.corners, backend)

    def _locate(self, points: Tensor) -> tuple[Tensor, Tensor]:
        positions = self.positions.detach().cpu()
        if self._tree is None or not torch.equal(self._tree[0], positions):
            self._tree = positions.clone(), TriangleTree(positions.numpy(), self.triangles.cpu().numpy())
        face, weights, _ = closest_points(self._tree[1], points.detach().cpu().numpy())
        return self.corners[torch.from_numpy(face).to(self.corners.device)], torch.from_numpy(weights).to(points)

    def _painted(self, mesh: Mesh) -> tuple[Mesh, Paint]:
        """The mesh, cut open where its new texture needs that, and its paint."""
        if self.colors == "field":
            return mesh, self.paint
        if self.colors == "vertex":
            return mesh, VertexPaint(_vertex_colors(mesh), self.channels)
        if mesh.texture is None:
            mesh = _textured(mesh, self.config.texture_size)
        uv, texture = torch.from_numpy(mesh.uv), torch.from_numpy(mesh.texture)
        return mesh, TexturePaint(uv, texture, self.channels)

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        """A stored mesh may have other numbers of vertices, triangles and texels."""
        self._tree = None
        for name, own in [*self.named_parameters(), *self.named_buffers()]:
            stored = state.get(prefix + name)
            if stored is not None and not name.startswith("paint.field"):
                own.data = torch.empty(stored.shape, dtype=own.dtype, device=own.device)
        super()._load_from_state_dict(state, prefix, *rest)


def _initial(config: TriangleMesh.Config) -> Mesh:
    """The mesh that a config names."""
    placement = Placement(config.up, config.front, config.fit, config.size)
    if config.path:
        return read_mesh(config.path, placement, config.texture_size, key="geometry.path")
    import trimesh

    if config.shape == "sphere":
        body = trimesh.creation.icosphere(config.subdivisions)
    else:
        body = trimesh.creation.box()
        for _ in range(config.subdivisions):
            body = body.subdivide()
    vertices = np.asarray(body.vertices) / (1 if config.fit == "none" else np.ptp(body.bounds, axis=0).max())
    return Mesh(vertices * config.size, body.faces)


def _welded(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct places in order of appearance, and the faces with their numbers."""
    _, first, index = np.unique(vertices + 0.0, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return vertices[first[order]], rank[index.reshape(-1)][faces]


def _vertex_colors(mesh: Mesh) -> Tensor:
    """sRGB [V, 3]: the mesh's, or what its texture shows there, or grey."""
    if mesh.texture is not None:
        paint = TexturePaint(torch.from_numpy(mesh.uv), torch.from_numpy(mesh.texture), 3)
        whole = torch.tensor([1.0, 0.0, 0.0]).expand(len(mesh.vertices), 3)
        corners = torch.arange(len(mesh.vertices))[:, None].expand(-1, 3)
        with torch.no_grad():
            return torch.sigmoid(paint.anywhere(torch.from_numpy(mesh.vertices), lambda points: (corners, whole)))
    if mesh.vertex_colors is not None:
        return torch.from_numpy(mesh.vertex_colors)
    return torch.full((len(mesh.vertices), 3), UNPAINTED)


def _textured(mesh: Mesh, size: int) -> Mesh:
    """The mesh with an atlas of its own, and its vertex colours on it."""
    tree, colors = TriangleTree(mesh.vertices, mesh.faces), _vertex_colors(mesh)

    def color(points: Tensor, normals: Tensor) -> Tensor:
        face, weights, _ = closest_points(tree, points.numpy())
        return (colors[mesh.faces[face]] * torch.from_numpy(weights)[..., None]).sum(1).float()

    return bake(unwrap(mesh, size), color, size)
