"""Nano scenes for stereo: objects on a textured ground before a textured wall, moving under a moving pair of cameras.

Two parallel cameras stand side by side, `BASELINE` apart. Their frames are cut from wider ones so that what is at a
distance of `CONVERGENCE` has the same column in both. With f the focal length in pixels, b the baseline and z the
distance along the axis, content at column x_L of the left frame is at

    x_R = x_L + j,    j = CONVERGENCE_SHIFT - f b / z,

so near things have a negative shift j.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from maquette_nano import world
from maquette_nano.stereo_backdrop import Surface, render_backdrop

Array = NDArray[np.float32]

WIDTH, HEIGHT = 144, 80  # of a frame, pixels
CONVERGENCE_SHIFT = 8  # columns by which the two frames are cut apart
SIZE = WIDTH + CONVERGENCE_SHIFT  # side of the pictures that frames are cut from
FOCAL = 150.0  # pixels
FOV_DEG = math.degrees(2 * math.atan(SIZE / 2 / FOCAL))
BASELINE = 0.16  # scene units
CONVERGENCE = FOCAL * BASELINE / CONVERGENCE_SHIFT  # scene units
NEAREST = 1.8  # distance along the axis that no object comes below
ARENA = 1.55  # radius about the origin in which objects stand
OCCLUDED_PIXELS = (
    0.75  # by which shifts of a pixel and of where it comes from differ, if it is hidden in the left frame
)


class StereoFrames(NamedTuple):
    """Frames of one clip.

    Attributes:
        left, right: [T, HEIGHT, WIDTH, 3] in [0, 1].
        left_shift, right_shift: the true j at the pixels of each, in pixels [T, HEIGHT, WIDTH].
        occluded: pixels of the right frame that the left one does not show [T, HEIGHT, WIDTH].
    """

    left: Array
    right: Array
    left_shift: Array
    right_shift: Array
    occluded: NDArray[np.bool_]


@dataclass(frozen=True)
class Actor:
    """An object in a scene.

    Args:
        obj: its shape and colours.
        scale: scene units per unit of the object.
        height: of its centre above the ground, scene units.
        place: on the ground at the first frame, (x, y).
        velocity: scene units per frame, (x, y).
        yaw_deg, spin_deg: angle about the vertical at the first frame, and its change per frame.
    """

    obj: world.NanoObject
    scale: float
    height: float
    place: tuple[float, float]
    velocity: tuple[float, float]
    yaw_deg: float
    spin_deg: float

    def pose(self, frame: float) -> Array:
        """Object to world at a frame [4, 4]; its rotation is scaled."""
        angle = math.radians(self.yaw_deg + self.spin_deg * frame)
        pose = np.eye(4)
        pose[:2, :2] = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
        pose[:3, :3] *= self.scale
        pose[:3, 3] = (*self.spot(frame), self.height)
        return pose.astype(np.float32)

    def seen_from(self, c2w: Array, frame: float) -> Array:
        """A camera [4, 4] in the object's own frame and units."""
        camera = np.linalg.inv(self.pose(frame)) @ c2w
        camera[:3, :3] *= self.scale
        return camera.astype(np.float32)

    def spot(self, frame: float) -> tuple[float, float]:
        """Place on the ground at a frame."""
        return self.place[0] + self.velocity[0] * frame, self.place[1] + self.velocity[1] * frame


@dataclass(frozen=True)
class Path:
    """The path of the camera pair: an orbit about a point, in degrees and scene units, and their change per frame."""

    azimuth_deg: float
    elevation_deg: float
    distance: float
    target: tuple[float, float, float]
    azimuth_rate: float
    elevation_rate: float
    distance_rate: float

    def left(self, frame: float) -> Array:
        """Camera to world of the left camera [4, 4]."""
        c2w = world.orbit_c2w(
            self.azimuth_deg + self.azimuth_rate * frame,
            self.elevation_deg + self.elevation_rate * frame,
            self.distance + self.distance_rate * frame,
        )
        c2w[:3, 3] += self.target
        return c2w


@dataclass(frozen=True)
class StereoScene:
    """A scene that moves: what stands in it, what lies around it, and the path of the cameras."""

    actors: tuple[Actor, ...]
    ground: Surface
    wall: Surface
    wall_distance: float
    path: Path

    def render(self, frames: Sequence[float]) -> StereoFrames:
        """Frames at times in units of a frame."""
        columns = [self._frame(frame) for frame in frames]
        return StereoFrames(*(np.stack(column) for column in zip(*columns, strict=True)))

    def _frame(self, frame: float) -> tuple[Array, Array, Array, Array, NDArray[np.bool_]]:
        left_c2w = self.path.left(frame)
        right_c2w = left_c2w.copy()
        right_c2w[:3, 3] += BASELINE * left_c2w[:3, 0]
        rows = slice((SIZE - HEIGHT) // 2, (SIZE - HEIGHT) // 2 + HEIGHT)
        left, right = (
            [array[rows, start : start + WIDTH] for array in self._view(c2w, frame)]
            for c2w, start in ((left_c2w, CONVERGENCE_SHIFT), (right_c2w, 0))
        )
        shifts = [(CONVERGENCE_SHIFT - FOCAL * BASELINE / depth).astype(np.float32) for _, depth in (left, right)]
        return left[0], right[0], *shifts, occlusions(*shifts)

    def _view(self, c2w: Array, frame: float) -> tuple[Array, Array]:
        """A picture [SIZE, SIZE, 3] and distances along the axis [SIZE, SIZE]."""
        spots = np.array([(*actor.spot(frame), 0.75 * actor.scale) for actor in self.actors], np.float32).reshape(-1, 3)
        rgb, depth = render_backdrop(c2w, FOCAL, SIZE, self.ground, self.wall, self.wall_distance, spots)
        eye = c2w[:3, 3]

        def distance(actor: Actor) -> float:
            return float(np.linalg.norm(actor.pose(frame)[:3, 3] - eye))

        for actor in sorted(self.actors, key=distance, reverse=True):
            view = world.render(actor.obj, actor.seen_from(c2w, frame)[None], FOV_DEG, SIZE)
            opacity = view.opacity[0][..., None]
            rgb = rgb * (1 - opacity) + view.rgb[0] * opacity
            depth = np.where(view.opacity[0] > 0.5, view.depth[0] * actor.scale * _COSINES, depth)
        return rgb, depth


def _cosines() -> Array:
    """Cosine of the angle between the axis and each pixel's ray [SIZE, SIZE]."""
    tangents = ((np.arange(SIZE) + 0.5) - SIZE / 2) / FOCAL
    return (1 / np.sqrt(1 + tangents[:, None] ** 2 + tangents**2)).astype(np.float32)


_COSINES = _cosines()


def occlusions(left_shift: Array, right_shift: Array) -> NDArray[np.bool_]:
    """Pixels of a right frame [H, W] that the left frame does not show: hidden there, or beyond its edges."""
    columns = np.arange(right_shift.shape[1]) - right_shift
    nearest = np.rint(columns).astype(int)
    inside = (nearest >= 0) & (nearest < right_shift.shape[1])
    there = np.take_along_axis(left_shift, nearest.clip(0, right_shift.shape[1] - 1), axis=1)
    return ~inside | (np.abs(there - right_shift) > OCCLUDED_PIXELS)


def sample_scene(seed: int, split: str) -> StereoScene:
    """The scene number `seed` of a split ("train", "validation" or "test"), a function of its two arguments.

    Its objects are of that split of the nano world; its textures, places and paths are drawn for it alone.
    """
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, len(split), 20_160])))
    path = Path(
        rng.uniform(0, 360), rng.uniform(16, 30), rng.uniform(3.1, 4.1),
        (*rng.uniform(-0.25, 0.25, 2), rng.uniform(0.15, 0.4)),
        rng.uniform(-2.5, 2.5), rng.uniform(-0.4, 0.4), rng.uniform(-0.02, 0.02),
    )  # fmt: skip
    actors: list[Actor] = []
    for number in range(int(rng.integers(3, 7))):
        obj = world.sample_object(int(rng.integers(2**31)) + number, split)
        actor = _placed(obj, rng, path, actors)
        if actor is not None:
            actors.append(actor)
    ground, wall = (Surface.sample(rng) for _ in range(2))
    return StereoScene(tuple(actors), ground, wall, rng.uniform(3.2, 7.0), path)


def _placed(obj: world.NanoObject, rng: np.random.Generator, path: Path, others: Sequence[Actor]) -> Actor | None:
    """The object at a free place that is not too near to the cameras; None: a few tries gave none."""
    scale = rng.uniform(0.35, 0.75)
    height = -_lowest(obj) * scale
    eye = path.left(0)[:3, 3]
    toward = -path.left(0)[:3, 2]
    for _ in range(20):
        radius, angle = ARENA * math.sqrt(rng.uniform()), rng.uniform(0, 2 * math.pi)
        place = (radius * math.cos(angle), radius * math.sin(angle))
        free = all(math.dist(place, other.place) > 0.75 * (scale + other.scale) for other in others)
        depth = float((np.array([*place, height]) - eye) @ toward)
        if free and depth - scale * world.BOUND > NEAREST + 0.15:
            velocity = rng.uniform(-0.02, 0.02, 2)
            return Actor(obj, scale, height, place, (velocity[0], velocity[1]), rng.uniform(0, 360), rng.uniform(-4, 4))
    return None


def _lowest(obj: world.NanoObject, resolution: int = 40) -> float:
    """Height of the object's lowest point in its own frame."""
    axis = np.linspace(-obj.bound, obj.bound, resolution, dtype=np.float32)
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    inside = points[obj.sdf(points) < 0]
    return float(inside[:, 2].min()) if len(inside) else 0.0
