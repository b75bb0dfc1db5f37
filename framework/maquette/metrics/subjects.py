"""What metrics measure besides the scenes of runs: meshes, splats, pictures, true objects and trivial ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from maquette.backgrounds.solid import Solid
from maquette.cameras.base import Cameras, orbit_cameras
from maquette.data.formats import PosedImages
from maquette.errors import RunError
from maquette.geometry.gaussians import Gaussians
from maquette.geometry.mesh import TriangleMesh
from maquette.geometry.splat_cloud import SplatCloud
from maquette.images.picture import Picture
from maquette.materials.base import Reflectance
from maquette.materials.plain import Plain
from maquette.meshes.mesh import EmptySurface, Mesh
from maquette.metrics.base import Truth
from maquette.renderers.mesh import MeshRenderer
from maquette.renderers.splat import Splat
from maquette.scene import RenderedViews, Scene, Threshold, Viewpoint

SUPERSAMPLING = 2  # of renderings of meshes
BALL_RADIUS = 0.5  # of the trivial object, scene units
MARGIN = 1.01  # of the cube around a mesh
SAME_CAMERA = 1e-4  # difference of all numbers of two cameras that count as one


def mesh_scene(mesh: Mesh) -> Scene:
    """A mesh with its texture or colours, else grey, as a scene that renders it unlit.

    Raises:
        EmptySurface: it has no faces.
    """
    if mesh.is_empty:
        raise EmptySurface("the mesh has no faces")
    bound = max(1.0, MARGIN * float(np.abs(mesh.vertices).max()))
    colors: Literal["vertex", "texture"] = "vertex" if mesh.texture is None else "texture"
    texels = 1024 if mesh.texture is None else max(mesh.texture.shape[:2])
    settings = TriangleMesh.Config(bound=bound, subdivisions=0, colors=colors, texture_size=texels)
    geometry = TriangleMesh(settings)
    geometry.replace_mesh(mesh)
    return _scene(geometry, MeshRenderer(MeshRenderer.Config(supersampling=SUPERSAMPLING), bound))


def splat_scene(path: Path) -> Scene:
    """A file of Gaussians, `.splat` or `.ply` in the layout of 3DGS, as a scene.

    Raises:
        ConfigError: there is no such file, or it is broken.
    """
    geometry = Gaussians(Gaussians.Config(points=str(path), degree=3))
    return _scene(geometry, Splat(Splat.Config(), geometry.bound))


def _scene(geometry: Any, renderer: Any) -> Scene:
    scene = Scene(geometry, Plain(Plain.Config()), Solid(Solid.Config()), renderer, Viewpoint())
    return scene.requires_grad_(False)


class FlatSubject:
    """A subject that is known by pictures alone, or not at all: the base of the classes below."""

    bound = 1.0
    extracted = False

    def surface(self, resolution: int, threshold: Threshold = "auto") -> Mesh:
        """Raises EmptySurface."""
        raise EmptySurface("there is no surface")

    def textured(self) -> Mesh | None:
        """None: it is no mesh."""
        return None

    def color(self, points: torch.Tensor, normals: torch.Tensor) -> torch.Tensor:
        """White at each point."""
        return torch.ones_like(points)

    def reflectance(self, points: torch.Tensor, normals: torch.Tensor) -> Reflectance | None:
        """None: it has colours alone."""
        return None

    def splats(self, min_opacity: float) -> SplatCloud | None:
        """None: it has no Gaussians."""
        return None

    def render(
        self, azimuth_deg: Sequence[float], elevation_deg: float, size: int, normals: bool = True
    ) -> RenderedViews:
        """Pictures from around, by `render_cameras`."""
        view, azimuth = Viewpoint(), torch.tensor(list(azimuth_deg))
        one = torch.ones_like(azimuth)
        return self.render_cameras(
            orbit_cameras(azimuth, elevation_deg * one, view.distance * one, view.fov_y_deg * one, size), normals
        )

    def render_cameras(self, cameras: Cameras, normals: bool = True) -> RenderedViews:
        """Pictures from B cameras."""
        raise NotImplementedError


class Nothing(FlatSubject):
    """The trivial subject of metrics of pictures: nothing at all, so that renderings are white all over."""

    def render_cameras(self, cameras: Cameras, normals: bool = True) -> RenderedViews:
        white = torch.ones(len(cameras), cameras.height, cameras.width, 3)
        alpha = torch.zeros_like(white[..., :1])
        return RenderedViews(white, Picture(white, alpha), alpha, torch.zeros_like(white) if normals else None)


class ViewsSubject(FlatSubject):
    """Pictures that were made elsewhere, from given cameras.

    Args:
        views: the pictures with their cameras.
    """

    def __init__(self, views: PosedImages) -> None:
        self._views = views

    def render_cameras(self, cameras: Cameras, normals: bool = True) -> RenderedViews:
        """The pictures from these cameras.

        Raises:
            RunError: there is no picture from one of them.
        """
        index = same_cameras(cameras, self._views.cameras)
        if index is None:
            raise RunError("a metric asks for a view that is not among the pictures; give a mesh or splats")
        picture = self._views.picture[index]
        return RenderedViews(picture.over(1.0), picture)


class TrueSubject(FlatSubject):
    """The true object of a case, which no result surpasses in what compares with it.

    Args:
        truth: what is known of the object. Views are of its surface where it has no true ones and draws none.
    """

    def __init__(self, truth: Truth) -> None:
        self._truth = truth
        self._mesh = truth.surface() if "surface" in truth.gives else None
        self._scene = None if self._mesh is None else mesh_scene(self._mesh)
        if self._scene is not None:
            self.bound = self._scene.bound

    @cached_property
    def _views(self) -> ViewsSubject | None:
        """The true pictures, which are read or made when a metric asks for some."""
        return ViewsSubject(self._truth.views()) if "views" in self._truth.gives else None

    def surface(self, resolution: int, threshold: Threshold = "auto") -> Mesh:
        """The true surface; raises EmptySurface if only views are known."""
        return super().surface(resolution, threshold) if self._mesh is None else self._mesh

    def textured(self) -> Mesh | None:
        """The true surface if it has a texture."""
        return None if self._scene is None else self._scene.textured()

    def color(self, points: torch.Tensor, normals: torch.Tensor) -> torch.Tensor:
        """The true surface's colours."""
        return super().color(points, normals) if self._scene is None else self._scene.color(points, normals)

    def render_cameras(self, cameras: Cameras, normals: bool = True) -> RenderedViews:
        """The true pictures from these cameras, else renderings of the true surface; raises RunError without both.

        Depth and normals are always of the surface.
        """
        if (self._scene is None or not normals) and self._views is not None:
            try:
                return self._views.render_cameras(cameras, normals)
            except RunError:
                if self._scene is None:
                    raise
        if self._scene is None:
            raise RunError("nothing is known of the true object")
        views = self._scene.render_cameras(cameras, normals)
        picture = self._truth.pictures(cameras)
        return views if picture is None else replace(views, rgb=picture.over(1.0), picture=picture)


def trivial_subject(name: Literal["ball", "nothing"]) -> Any:
    """What a result has to surpass: a grey ball, or nothing at all."""
    if name == "nothing":
        return Nothing()
    import trimesh

    ball = trimesh.creation.icosphere(4, BALL_RADIUS)
    return mesh_scene(Mesh(ball.vertices, ball.faces))


def same_cameras(cameras: Cameras, others: Cameras) -> torch.Tensor | None:
    """Index [B] of the camera among the others that equals each; None: one of them has no equal."""
    if (cameras.height, cameras.width) != (others.height, others.width):
        return None
    difference = (cameras.c2w[:, None] - others.c2w[None]).abs().amax((-2, -1))
    difference = torch.maximum(difference, (cameras.fov_y_deg[:, None] - others.fov_y_deg[None]).abs())
    least, index = difference.min(1)
    return index if bool((least < SAME_CAMERA).all()) else None
