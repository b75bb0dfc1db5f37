"""Tiny inputs for parts on trial: cameras, pictures, renderings, scenes; each a function of a seed."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from maquette.cameras.base import Cameras, orbit_cameras
from maquette.config.parts import part
from maquette.data.base import Data, HeldOut, Reference, Target
from maquette.data.formats import PosedImages, Split, posed_cameras
from maquette.geometry.base import SurfaceMesh
from maquette.images.picture import Picture
from maquette.materials.base import Shading
from maquette.meshes.mesh import Mesh
from maquette.priors.base import Request
from maquette.randomness import Draws, Moment
from maquette.renderers.base import RaySampleValues, Rendering
from maquette.scene import Scene, Viewpoint
from maquette.testing.trial import seeded

SIZE = 16  # pixels a side
SAMPLES = 4  # of a ray
DISTANCE, FOV_Y_DEG, RADIUS = 3.0, 40.0, 0.6  # of cameras and of the ball that they look at, scene units
GEOMETRIES: dict[str, dict[str, Any]] = {
    "voxel-grid": {"resolution": 8, "blob": "magic3d"},
    "sdf-grid": {"levels": 2, "log2_table_size": 8, "finest_resolution": 16, "width": 8},
    "tensorf": {"resolution": 8, "density_components": 2, "feature_components": 2, "width": 8},
    "dmtet": {"resolution": 6, "levels": 2, "log2_table_size": 8, "finest_resolution": 16, "width": 8},
    "flexicubes": {"resolution": 6, "levels": 2, "log2_table_size": 8, "finest_resolution": 16, "width": 8},
    "mesh": {"subdivisions": 1, "move_vertices": True, "colors": "vertex"},
    "gaussians": {"count": 40, "radius": 0.5},
}
"""Built-in geometries, and settings that make them tiny."""
RENDERERS: dict[str, tuple[str, dict[str, Any]]] = {
    "field": ("volume", {"samples": 16}), "surface": ("mesh", {}), "splats": ("splat", {}),
}  # fmt: skip
"""Form of a geometry -> a renderer of it, and its settings."""


def cameras(batch: int, size: int = SIZE, seed: int = 0) -> Cameras:
    """Cameras around the origin that look at it."""
    draws = Draws(seed, 0).sub("testing/cameras")
    azimuth, elevation = draws.uniform("azimuth", batch, high=360), draws.uniform("elevation", batch, low=-20, high=60)
    return orbit_cameras(azimuth, elevation, torch.full((batch,), DISTANCE), torch.full((batch,), FOV_Y_DEG), size)


def numbers(name: str, *shape: int, seed: int = 0, low: float = 0.15, high: float = 0.85) -> Tensor:
    """Uniform numbers."""
    return Draws(seed, 0).sub("testing").uniform(name, *shape, low=low, high=high)


def unit_vectors(name: str, *shape: int, seed: int = 0) -> Tensor:
    """Vectors of length 1, shape [*shape, 3]."""
    return normalize(Draws(seed, 0).sub("testing").normal(name, *shape, 3), dim=-1)


def ball_alpha(views: Cameras) -> Tensor:
    """Coverage [B, H, W, 1] of a ball about the origin, with a soft edge."""
    origins, directions = views.rays()
    nearest = torch.linalg.cross(origins, directions).norm(dim=-1, keepdim=True)
    return ((RADIUS - nearest) / 0.08 + 0.5).clamp(0, 1)


def ball_pictures(views: Cameras) -> Picture:
    """Pictures of a coloured ball with alpha."""
    _, directions = views.rays()
    return Picture((0.6 + 0.3 * directions).clamp(0, 1), ball_alpha(views))


def ball_views(count: int = 6, size: int = SIZE) -> PosedImages:
    """Posed pictures of a ball, from all around."""
    azimuth = torch.arange(count) * 360.0 / count
    ones = torch.ones(count)
    around = orbit_cameras(azimuth, 20 * ones, DISTANCE * ones, FOV_Y_DEG * ones, size)
    placed = posed_cameras(around.c2w, around.fov_y_deg, size, size)
    train: Split = "train"
    return PosedImages(ball_pictures(around), placed, (train,) * count, tuple(f"view-{i}" for i in range(count)))


def ball_mesh() -> Mesh:
    """A closed, coloured ball."""
    import trimesh

    ball = trimesh.creation.icosphere(subdivisions=2, radius=RADIUS)
    colors = np.clip(0.5 + np.asarray(ball.vertices) / 2, 0, 1)
    return Mesh(np.asarray(ball.vertices), np.asarray(ball.faces), colors)


def request(batch: int = 1) -> Request:
    """A prompt, and reference pictures of a ball from its front."""
    one = torch.ones(1)
    front = orbit_cameras(0 * one, 0 * one, DISTANCE * one, FOV_Y_DEG * one, SIZE)
    return Request("a red mug", references=(Reference(ball_pictures(front), front),))


def target(views: Cameras, spoiled: bool = False) -> Target:
    """Targets with depth and normals."""
    count, height, width = len(views), views.height, views.width
    shape = (count, height, width)
    depth, normal = numbers("target depth", *shape, 1, low=2, high=4), unit_vectors("target normal", *shape)
    picture = Picture(numbers("target color", *shape, 3), numbers("target alpha", *shape, 1))
    if spoiled:
        picture = Picture(picture.color * torch.nan, picture.alpha * torch.nan)
        depth = depth * torch.nan
    return Target(views, picture, depth, normal, torch.arange(count))


def surface_mesh() -> SurfaceMesh:
    """The ball as tensors."""
    mesh = ball_mesh()
    return SurfaceMesh(torch.from_numpy(mesh.vertices.copy()), torch.from_numpy(mesh.faces.copy()))


def rendering(views: Cameras, dtype: torch.dtype = torch.float32, spoiled: bool = False) -> Rendering:
    """A rendering with all entries, of random numbers; tensors of floats are leaves that require gradients."""
    shape = (len(views), views.height, views.width)

    def leaf(values: Tensor) -> Tensor:
        values = values.detach().to(dtype)
        return (values * torch.nan if spoiled else values).requires_grad_(True)

    mesh = surface_mesh()
    return Rendering(
        rgb=leaf(numbers("rgb", *shape, 3)),
        opacity=leaf(numbers("opacity", *shape, 1)),
        depth=leaf(numbers("depth", *shape, 1, low=2, high=4)),
        normal=leaf(0.9 * unit_vectors("normal", *shape)),
        samples=_samples(views, leaf, dtype),
        shading=Shading(),
        background=numbers("background", *shape, 3).to(dtype),
        mesh=SurfaceMesh(leaf(mesh.vertices), mesh.triangles),
        latents=leaf(numbers("latents", len(views), 8, 8, 4, low=-1, high=1)),
    )


def _samples(views: Cameras, leaf: Any, dtype: torch.dtype) -> RaySampleValues:
    rays = len(views) * views.height * views.width
    origins, directions = (values.reshape(-1, 3).repeat_interleave(SAMPLES, dim=0) for values in views.rays())
    steps = (torch.arange(SAMPLES) + numbers("jitter", rays, SAMPLES, low=-0.3, high=0.3)).reshape(-1)
    t, n = DISTANCE - 1 + 2 * (steps + 0.5) / SAMPLES, rays * SAMPLES
    return RaySampleValues(
        weights=leaf(numbers("weights", n, low=0.05, high=0.2)),
        t=leaf(t),
        ray_index=torch.arange(rays).repeat_interleave(SAMPLES),
        rays=rays,
        normals=leaf(unit_vectors("sample normals", n)),
        directions=directions.to(dtype),
        gradients=leaf(1.1 * unit_vectors("sample gradients", n)),
        points=leaf(origins + t[:, None] * directions),
        deltas=leaf(torch.full((n,), 2 / SAMPLES)),
    )


def geometry(needs: frozenset[str] = frozenset()) -> Any:
    """The first tiny built-in geometry that gives what is needed."""
    for name, settings in GEOMETRIES.items():
        spec = part("geometry", name, **settings)
        if needs <= spec.capabilities.gives:
            with seeded():
                return spec.build()
    raise LookupError(f"no built-in geometry gives {', '.join(sorted(needs))}")


def scene(form: str = "field") -> Scene:
    """A small object of a form: "field", "surface" or "splats"."""
    name = {"field": "voxel-grid", "surface": "mesh", "splats": "gaussians"}[form]
    renderer, settings = RENDERERS[form]
    view = Viewpoint(DISTANCE, FOV_Y_DEG)
    with seeded():
        shape = part("geometry", name, **GEOMETRIES[name]).build()
        built = part("renderer", renderer, **settings).build(bound=shape.bound)
        return Scene(shape, part("material", "plain").build(), part("background", "solid").build(), built, view)


@cache
def gaussian_prior(dtype: str = "float32") -> Any:
    """A closed-form prior of pictures of any size, that knows "a red mug"."""
    return part("prior", "gaussian", means={"a red mug": (0.8, 0.2, 0.1), "": (0.5, 0.5, 0.5)}, dtype=dtype).build()


class BallData(Data):
    """Data of posed pictures of a ball, already in memory."""

    def __init__(self) -> None:
        self.images = ball_views()

    def prepare(self, device: torch.device) -> None:
        self.images = self.images.to(device)

    def sample(self, moment: Moment) -> Target:
        chosen = moment.draws.integers("views", 0, len(self.images) - 1, 2)
        return replace(
            self.all(), cameras=self.images.cameras[chosen], picture=self.images.picture[chosen], indices=chosen
        )

    def all(self) -> Target:
        return Target(self.images.cameras, self.images.picture, indices=torch.arange(len(self.images)))

    def held_out(self) -> HeldOut:
        return HeldOut(self.all(), self.images.names)
