"""The rasteriser beside Embree's ray casting: what is seen, how far away, in which colour, and how much of a pixel.

Embree (`embreex`) casts a ray through the centre of each pixel. Nothing on its side is ours: the pinhole camera is
written here, and trimesh turns the places that rays hit into barycentric weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from trimesh.transformations import rotation_matrix

from maquette.cameras.base import Cameras, orbit_cameras
from maquette.kernels.rasterise import antialias, interpolate, rasterise

ray_pyembree = pytest.importorskip("trimesh.ray.ray_pyembree", reason="embreex is not installed")

BACKENDS = ["reference", "numba"]
ASSETS = Path(__file__).parents[3] / "shared" / "assets" / "meshes"  # beside the checkout, where there is one
FILES = ["stanford-bunny.obj", "suzanne.obj", "Duck.glb", "fuze.obj"]
NEAR, FAR = 0.05, 10.0
SIZE = 192  # pixels


@dataclass(frozen=True)
class View:
    """A square picture, taken from an orbit towards the origin."""

    azimuth_deg: float
    elevation_deg: float
    distance: float = 2.6
    fov_deg: float = 50.0

    def cameras(self, size: int) -> Cameras:
        one = torch.ones(1)
        return orbit_cameras(
            self.azimuth_deg * one, self.elevation_deg * one, self.distance * one, self.fov_deg * one, size
        )

    def rays(self, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The eye [3], the axis of view [3], and through each pixel [size^2, 3] a direction of length 1 along it."""
        azimuth, elevation = math.radians(self.azimuth_deg), math.radians(self.elevation_deg)
        level = np.array([math.cos(azimuth), math.sin(azimuth), 0.0])
        forward = -math.cos(elevation) * level - [0.0, 0.0, math.sin(elevation)]
        right = np.array([-level[1], level[0], 0.0])
        across = ((2 * np.arange(size) + 1) / size - 1) * math.tan(math.radians(self.fov_deg) / 2)
        directions = forward + across[None, :, None] * right - across[:, None, None] * np.cross(right, forward)
        return -self.distance * forward, forward, directions.reshape(-1, 3)


VIEWS = [View(20, 15), View(140, -35), View(250, 70)]


# --- meshes: closed and open, concave, pushed through one another -----------------------------------------------------


def bumps() -> trimesh.Trimesh:
    """20,480 triangles, most of them about as large as a pixel, with hills that hide one another."""
    ball = trimesh.creation.icosphere(5)
    x, y, z = ball.vertices.T
    radius = 0.7 + 0.2 * np.sin(5 * x) * np.sin(6 * y) + 0.1 * np.sin(9 * z)
    return trimesh.Trimesh(ball.vertices * radius[:, None], ball.faces, process=False)


def heap() -> trimesh.Trimesh:
    """A box, a capsule, a cone and a pipe that stick in one another."""
    make = trimesh.creation
    parts = [make.box((0.7, 0.5, 0.9)), make.capsule(0.6, 0.25), make.cone(0.4, 0.9), make.annulus(0.5, 0.7, 0.2)]
    for turn, part in enumerate(parts):
        part.apply_transform(rotation_matrix(0.7 * turn + 0.3, [1, turn, 2]))
        part.apply_translation([0.35 * math.cos(2 * turn), 0.35 * math.sin(2 * turn), 0.1 * turn - 0.2])
    return trimesh.util.concatenate(parts)


def mug() -> trimesh.Trimesh:
    """An object of the nano world by marching cubes."""
    world = pytest.importorskip("maquette_nano.world", reason="the nano plugin is not installed")
    from maquette_nano.world.meshing import mesh

    thing = mesh(world.make_object("mug", "red", "blue", "dots", 0), 48)
    return trimesh.Trimesh(thing.vertices, thing.faces, process=False)


def asset(name: str) -> Callable[[], trimesh.Trimesh]:
    """A real mesh, moved into the unit ball, its y axis up."""

    def load() -> trimesh.Trimesh:
        loaded = trimesh.load(ASSETS / name, force="mesh", process=False)
        vertices = loaded.vertices - loaded.bounds.mean(axis=0)
        vertices = vertices / np.linalg.norm(vertices, axis=1).max()
        return trimesh.Trimesh(vertices[:, [2, 0, 1]], loaded.faces, process=False)

    return load


def torus() -> trimesh.Trimesh:
    return trimesh.creation.torus(0.7, 0.25)


MADE = [pytest.param(make, id=make.__name__) for make in (torus, bumps, heap, mug)]
REAL = [
    pytest.param(
        asset(name), id=name, marks=pytest.mark.skipif(not (ASSETS / name).is_file(), reason="no shared assets here")
    )
    for name in FILES
]


# --- the two renderers ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Seen:
    """What a picture shows: whether anything [n], its distance along the axis of view [n], its colour [n, 3]."""

    covered: np.ndarray
    depth: np.ndarray
    color: np.ndarray


def colors_of(mesh: trimesh.Trimesh) -> np.ndarray:
    return 0.5 + 0.5 * np.sin(5 * mesh.vertices + [0.0, 1.0, 2.0])


def cast(mesh: trimesh.Trimesh, view: View, size: int) -> Seen:
    """By Embree."""
    eye, forward, directions = view.rays(size)
    caster = ray_pyembree.RayMeshIntersector(mesh)
    eyes = np.broadcast_to(eye, directions.shape)
    places, ray, triangle = caster.intersects_location(eyes, directions, multiple_hits=False)
    weights = trimesh.triangles.points_to_barycentric(mesh.triangles[triangle], places)
    covered, depth, color = np.zeros(size**2, bool), np.zeros(size**2), np.zeros((size**2, 3))
    covered[ray], depth[ray] = True, (places - eye) @ forward
    color[ray] = (weights[..., None] * colors_of(mesh)[mesh.faces[triangle]]).sum(axis=1)
    return Seen(covered, depth, color)


def drawn(mesh: trimesh.Trimesh, view: View, size: int, backend: str) -> Seen:
    """By our rasteriser."""
    vertices, triangles = torch.tensor(mesh.vertices).float(), torch.tensor(np.asarray(mesh.faces))
    clip = view.cameras(size).clip_positions(vertices, NEAR, FAR)
    raster = rasterise(clip, triangles, size, size, backend=backend)
    color = interpolate(torch.tensor(colors_of(mesh)).float(), raster, triangles, backend=backend)
    depth = 2 * NEAR * FAR / (FAR + NEAR - raster.depth.double() * (FAR - NEAR))
    return Seen(raster.covered.numpy().reshape(-1), depth.numpy().reshape(-1), color.numpy().reshape(-1, 3))


def assert_agree(ours: Seen, theirs: Seen) -> None:
    """Silhouettes with an IoU of 0.999, depth within 1 % everywhere and 1e-4 nearly so, colours within 1e-3."""
    both = ours.covered & theirs.covered
    assert both.sum() >= 0.999 * (ours.covered | theirs.covered).sum() > 0
    relative = np.abs(ours.depth - theirs.depth)[both] / theirs.depth[both]
    assert relative.max() <= 0.01 and np.quantile(relative, 0.999) <= 1e-4
    assert np.quantile(np.abs(ours.color - theirs.color)[both].max(axis=-1), 0.999) <= 1e-3


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("make", MADE + REAL)
def test_silhouette_depth_and_colour_are_those_that_rays_find(make, backend):
    mesh = make()
    for view in VIEWS:
        assert_agree(drawn(mesh, view, SIZE, backend), cast(mesh, view, SIZE))


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_room_seen_from_inside_is_what_rays_find(backend):
    """Its walls go on beside and behind a wide camera."""
    room = trimesh.creation.box((3.0, 2.0, 1.5)).subdivide()
    ours, theirs = (
        draw(room, View(35, 10, distance=0.4, fov_deg=110), SIZE)
        for draw in (lambda *scene: drawn(*scene, backend), cast)
    )
    assert ours.covered.all()
    assert_agree(ours, theirs)


@pytest.mark.parametrize("backend", BACKENDS)
def test_antialiasing_brings_pixels_closer_to_the_area_that_the_surface_covers(backend):
    """The area is the share of 8 x 8 rays through each pixel that hit."""
    mesh, view, size = torus(), VIEWS[0], 64
    fine = cast(mesh, view, 8 * size).covered
    area = fine.reshape(size, 8, size, 8).mean(axis=(1, 3))
    vertices, triangles = torch.tensor(mesh.vertices).float(), torch.tensor(np.asarray(mesh.faces))
    clip = view.cameras(size).clip_positions(vertices, NEAR, FAR)
    raster = rasterise(clip, triangles, size, size, backend=backend)
    sharp = raster.covered[..., None].float()
    smooth = antialias(sharp, raster, clip, triangles, backend=backend)
    before, after = (np.abs(image[0, ..., 0].numpy() - area).sum() for image in (sharp, smooth))
    assert after < 0.2 * before


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_gradient_of_antialiasing_is_the_growth_of_the_area(backend):
    """Of the area by the size of the mesh, beside that of two meshes a little smaller and larger under 8 x 8 rays."""
    mesh, view, size, change = torus(), VIEWS[0], 64, 0.02
    areas = [cast(mesh.copy().apply_scale(1 + sign * change), view, 8 * size).covered.mean() for sign in (-1, 1)]
    scale = torch.ones(1, requires_grad=True)
    vertices, triangles = torch.tensor(mesh.vertices).float(), torch.tensor(np.asarray(mesh.faces))
    clip = view.cameras(size).clip_positions(scale * vertices, NEAR, FAR)
    raster = rasterise(clip, triangles, size, size, backend=backend)
    antialias(raster.covered[..., None].float(), raster, clip, triangles, backend=backend).mean().backward()
    assert float(scale.grad) == pytest.approx((areas[1] - areas[0]) / (2 * change), rel=0.05)
