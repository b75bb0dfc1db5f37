"""An explicit triangle mesh, read from a file or made from a simple shape, fixed or optimised."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from maquette.annotations import InputPath, Positive, Range
from maquette.config.capabilities import GEOMETRY_TOTAL_VARIATION, Capabilities
from maquette.errors import ConfigError
from maquette.geometry._factor_field import FactorField, FactorFieldConfig
from maquette.geometry._hash_field import HashField, HashFieldConfig
from maquette.geometry.base import Surface, SurfaceMesh
from maquette.geometry.paint import FieldPaint, Paint, TexturePaint, VertexPaint
from maquette.kernels.rasterise import Raster
from maquette.meshes.closest_points import closest_points
from maquette.meshes.mesh import Mesh
from maquette.meshes.placement import Fit, Front, Placement, Up
from maquette.meshes.reading import read_mesh
from maquette.meshes.texture import bake, unwrap
from maquette.meshes.tree import TriangleTree
from maquette.randomness import Moment
from maquette.registry import register

DEFAULT_GREY = 0.5  # initial colour of a mesh without colours


@register("geometry", "mesh")
class TriangleMesh(Surface):
    """A triangle mesh with features at its vertices, in a texture, or from a field: a hash grid or TensoRF's factors.

    Vertices at one position are merged, so that texture seams neither open when vertices move nor show in normals;
    features keep the file's vertices, which are repeated along seams.
    """

    @dataclass(frozen=True)
    class Config(HashFieldConfig):
        path: InputPath = ""  # .obj, .glb, .gltf, .ply, .off or .stl file; empty: `shape`
        shape: Literal["sphere", "box"] = "sphere"  # initial mesh where there is no path
        subdivisions: Annotated[int, Range(0, 10)] = 4  # of the shape; each makes four triangles of one
        up: Up = "auto"  # axis of the file that points up; auto: y for glTF, z for other formats
        front: Front = "auto"  # direction of the file that the object faces; auto: +z where y is up, +x where z is
        fit: Fit = "extent"  # extent, radius: centre and scale that measure to `size`; none: as in the file
        size: Positive = 1.2  # longest side or radius, see fit; scene units
        colors: Literal["auto", "vertex", "texture", "field", "tensorf"] = (
            "auto"  # where features are; auto: texture if the file has one; field: a hash grid
        )
        factors: FactorFieldConfig = field(default_factory=FactorFieldConfig)  # of colors: tensorf
        texture_size: Annotated[int, Range(16, 16_384)] = 1024  # of a new texture; a file's texture is shrunk to it
        max_faces: Annotated[int, Range(4)] = (
            30_000  # a mesh converted from another geometry is decimated to about this many
        )
        move_vertices: bool = False  # optimise the vertex positions
        learn_colors: bool = True  # optimise the features

        def __post_init__(self) -> None:
            super().__post_init__()
            Placement(self.up, self.front, self.fit, self.size)

    explicit = True

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        base = super().capabilities(config)
        return base.giving(GEOMETRY_TOTAL_VARIATION) if config.colors == "tensorf" else base

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config, self.bound, self.channels = config, config.bound, config.channels
        mesh = _initial_mesh(config)
        self.colors: Literal["vertex", "texture", "field", "tensorf"]
        if config.colors == "auto":
            self.colors = "vertex" if mesh.texture is None else "texture"
        else:
            self.colors = config.colors
        self.positions = nn.Parameter(torch.zeros(0, 3), requires_grad=config.move_vertices)
        for name in ("triangles", "corners"):  # rows of `positions`, and of the paint's features or uv
            self.register_buffer(name, torch.zeros(0, 3, dtype=torch.int64))
        self.triangles: Tensor
        self.corners: Tensor
        self._tree: tuple[Tensor, TriangleTree] | None  # the tree of these positions
        self.paint: Paint
        if self.colors == "field":
            self.paint = FieldPaint(HashField(config, config.channels))
        elif self.colors == "tensorf":
            self.paint = FieldPaint(FactorField(config.factors, config.bound, config.channels))
        self.replace_mesh(mesh)

    def replace_mesh(self, mesh: Mesh) -> None:
        """Replace the triangles by those of `mesh`, and vertex or texture features by its colours; a field stays.

        Raises:
            ConfigError: the mesh is empty or does not lie within the bound.
        """
        if mesh.is_empty:
            raise ConfigError("the mesh is empty", key="geometry")
        extent = float(np.abs(mesh.vertices).max())
        if extent > self.bound:
            raise ConfigError(
                f"the mesh reaches {extent:.4g}, beyond the bound {self.bound:g}", key="geometry.size",
                hint="make size smaller or bound larger, and with fit: none choose another fit",
            )  # fmt: skip
        device = self.positions.device
        mesh, self.paint = self._with_paint(mesh)
        positions, triangles = _weld(mesh.vertices, mesh.faces)
        self.positions.data = torch.from_numpy(positions).to(device)
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
        """Features at the closest points on the mesh; those of a field at the points themselves."""
        return self.paint.features_at_points(points, self._locate)

    def features_at(self, points: Float[Tensor, "n 3"], raster: Raster, backend: str = "auto") -> Float[Tensor, "n F"]:
        return self.paint.features_at_pixels(points, raster, self.corners, backend)

    def total_variation(self) -> Tensor:
        """That of the factors of `colors: tensorf`."""
        assert isinstance(self.paint, FieldPaint) and isinstance(self.paint.field, FactorField)
        return self.paint.field.total_variation()

    def _locate(self, points: Tensor) -> tuple[Tensor, Tensor]:
        positions = self.positions.detach().cpu()
        if self._tree is None or not torch.equal(self._tree[0], positions):
            self._tree = positions.clone(), TriangleTree(positions.numpy(), self.triangles.cpu().numpy())
        face, weights, _ = closest_points(self._tree[1], points.detach().cpu().numpy())
        return self.corners[torch.from_numpy(face).to(self.corners.device)], torch.from_numpy(weights).to(points)

    def _with_paint(self, mesh: Mesh) -> tuple[Mesh, Paint]:
        """The mesh, with repeated vertices along the seams of a new texture, and its paint."""
        if self.colors in ("field", "tensorf"):
            return mesh, self.paint
        if self.colors == "vertex":
            return mesh, VertexPaint(_vertex_colors(mesh), self.channels)
        if mesh.texture is None:
            mesh = _with_texture(mesh, self.config.texture_size)
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


def _initial_mesh(config: TriangleMesh.Config) -> Mesh:
    """The mesh of the config's file or shape."""
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


def _weld(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct vertex positions in order of first use, and the faces re-indexed to them."""
    _, first, index = np.unique(vertices + 0.0, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return vertices[first[order]], rank[index.reshape(-1)][faces]


def _vertex_colors(mesh: Mesh) -> Tensor:
    """sRGB [V, 3]: the mesh's vertex colours, or its texture at the vertices, or grey."""
    if mesh.texture is not None:
        paint = TexturePaint(torch.from_numpy(mesh.uv), torch.from_numpy(mesh.texture), 3)
        whole = torch.tensor([1.0, 0.0, 0.0]).expand(len(mesh.vertices), 3)
        corners = torch.arange(len(mesh.vertices))[:, None].expand(-1, 3)
        with torch.no_grad():
            return torch.sigmoid(
                paint.features_at_points(torch.from_numpy(mesh.vertices), lambda points: (corners, whole))
            )
    if mesh.vertex_colors is not None:
        return torch.from_numpy(mesh.vertex_colors)
    return torch.full((len(mesh.vertices), 3), DEFAULT_GREY)


def _with_texture(mesh: Mesh, size: int) -> Mesh:
    """The mesh with a new UV atlas and its vertex colours baked into a texture."""
    tree, colors = TriangleTree(mesh.vertices, mesh.faces), _vertex_colors(mesh)

    def color(points: Tensor, normals: Tensor) -> Tensor:
        face, weights, _ = closest_points(tree, points.numpy())
        return (colors[mesh.faces[face]] * torch.from_numpy(weights)[..., None]).sum(1).float()

    return bake(unwrap(mesh, size), color, size)
