"""Flights over a landscape: a smooth path that no ground, water or tree is near to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from jaxtyping import Float
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter, maximum_filter

from maquette.annotations import Count, ElevationDeg, FovDeg, HalfTurnDeg, NonNegative, Positive, Range
from maquette.cameras.base import Cameras
from maquette.errors import ConfigError, RunError
from maquette.files import decode_text, display_path
from maquette.landscapes.trees import BITS
from maquette.landscapes.views import camera_at, entropy, look
from maquette.landscapes.world import Landscape
from maquette.randomness import Draws

_CANDIDATES = 32  # courses of which one is flown: the one that sees most kinds of ground
_BORDER = 0.12  # fraction of the window's side that no course comes into
_LOOKS, _LOOK_SIZE = 5, (9, 16)  # places of a course that are looked at, and rows and columns of what is seen
_DENSE = 16  # places of a spline for each frame, between which its length is measured


@dataclass(frozen=True)
class FlightConfig:
    """How a flight goes; lengths in cells."""

    frames: Annotated[int, Range(2)] = 150
    length: Positive = 110.0  # of the course over the ground
    bends: Count = 5  # points that the course is bent at
    turn_deg: HalfTurnDeg = 40.0  # largest change of course at a bend
    clearance: Positive = 3.0  # over everything within `near`
    near: NonNegative = 3.0  # cells to each side that are kept clear of
    smoothness: Positive = 12.0  # over which the height of the path is evened out
    pitch_deg: ElevationDeg = -10.0  # negative looks down
    fov_y_deg: FovDeg = 55.0


def obstacle_height(scene: Landscape) -> Float[np.ndarray, "x y"]:
    """Top of what stands at each cell: ground, water or tree."""
    bits = scene.tree_bits.numpy()
    _, length = np.frexp(bits.astype(np.float64))  # 1 + the place of the highest bit, as far as doubles tell
    tops = np.where(bits > 0, scene.tree_base.numpy() + np.minimum(length, BITS), -np.inf)
    return np.maximum(np.maximum(scene.height.numpy(), 0.0), tops)


def flight(scene: Landscape, draws: Draws, config: FlightConfig, height: int, width: int) -> list[Cameras]:
    """Cameras along a path over a landscape, each clear of everything around it.

    Of several smooth courses inside the window the one is taken that sees most kinds of ground, by the mean entropy of
    the labels of coarse views.

    Args:
        scene: the landscape.
        draws: of the course.
        config: how the flight goes.
        height, width: of the pictures in pixels.

    Returns:
        One camera for each frame.

    Raises:
        ValueError: the window is too small for a path of this length.
    """
    top, best = _clear_of(scene, config), None
    for candidate in range(_CANDIDATES):
        course = _smooth_course(scene, draws.sub(f"course {candidate}"), config)
        if course is None:
            continue
        poses = _poses(top, course, config)
        looks = poses[np.linspace(0, len(poses) - 1, _LOOKS).round().astype(int)]
        views = [look(scene, camera) for camera in _cameras(looks, config, *_LOOK_SIZE)]
        richness = float(np.mean([entropy(view.labels) for view in views]))
        best = (richness, poses) if best is None or richness > best[0] else best
    if best is None:
        size = " x ".join(map(str, scene.window_size))
        raise ValueError(
            f"no path of {config.length:g} cells fits into a window of {size}; shorten stages.flight.flight.length"
        )
    return _cameras(best[1], config, height, width)


def flight_through(
    scene: Landscape, points: Float[np.ndarray, "points 2"], config: FlightConfig, height: int, width: int
) -> list[Cameras]:
    """Cameras along the spline through given points, x and y in cells of the window; else as `flight`.

    Raises:
        ValueError: there are fewer than two different points, or the spline leaves the window.
    """
    differs = np.abs(np.diff(points, axis=0)).max(axis=1) > 0
    points = points[np.append(True, differs)[: len(points)]]
    if len(points) < 2:
        raise ValueError("a path needs at least two different points")
    course = _evenly(CubicSpline(np.arange(len(points)), points) if len(points) > 2 else _line(points), points, config)
    size = np.array(scene.window_size)
    outside = ((course < 0) | (course > size - 1)).any(axis=1)
    if outside.any():
        x, y = course[outside.argmax()]
        limits = f"x from 0 to {size[0] - 1}, y from 0 to {size[1] - 1}"
        raise ValueError(f"the path leaves the window ({limits}) at ({x:.1f}, {y:.1f})")
    course = course + scene.margin
    return _cameras(_poses(_clear_of(scene, config), course, config), config, height, width)


def read_path(path: Path) -> Float[np.ndarray, "points 2"]:
    """Points of a text file: x and y in cells on each line, with a comma or spaces between; # begins a comment.

    Raises:
        ConfigError: a line is no point, naming it.
    """
    points = []
    try:
        text = decode_text(path.read_bytes())
    except UnicodeDecodeError:
        raise ConfigError(
            "a file of points is text", key="path", file=display_path(path), hint="write x and y in cells on each line"
        ) from None
    for number, line in enumerate(text.splitlines(), start=1):
        if words := line.partition("#")[0].replace(",", " ").split():
            try:
                x, y = map(float, words)
                if not np.isfinite([x, y]).all():
                    raise ValueError
            except ValueError:
                raise ConfigError(
                    f"{line.strip()!r} is no point", key="path", file=display_path(path), line=number,
                    hint="write x and y in cells, such as 40, 120",
                ) from None  # fmt: skip
            points.append((x, y))
    return np.array(points, float).reshape(-1, 2)


def check_clear(scene: Landscape, cameras: Sequence[Cameras]) -> None:
    """Check that no camera is in or under anything.

    Raises:
        RunError: one is, naming the frame.
    """
    top = maximum_filter(obstacle_height(scene), 3)
    for frame, camera in enumerate(cameras):
        place = camera.c2w[0, :3, 3].numpy()
        if place[2] <= (over := float(_under(top, place[None, :2])[0])):
            raise RunError(
                f"the camera of frame {frame} is at {place[2]:.2f} cells, and what is there reaches {over:.2f}"
            )


def _clear_of(scene: Landscape, config: FlightConfig) -> Float[np.ndarray, "x y"]:
    """Highest of what stands near each cell."""
    return maximum_filter(obstacle_height(scene), 2 * int(np.ceil(config.near)) + 1)


def _poses(
    top: Float[np.ndarray, "x y"], course: Float[np.ndarray, "frames 2"], config: FlightConfig
) -> Float[np.ndarray, "frames 4"]:
    """Position and heading in degrees over a course, looking ahead.

    Heights are an upper bound of what stands near, evened out, so that the camera neither dives nor jumps.
    """
    step = float(np.linalg.norm(np.diff(course, axis=0), axis=1).mean())
    heading = np.rad2deg(np.unwrap(np.arctan2(*np.gradient(course, axis=0).T[::-1])))
    return np.column_stack([course, _height(_under(top, course), step, config), heading])


def _cameras(poses: Float[np.ndarray, "n 4"], config: FlightConfig, height: int, width: int) -> list[Cameras]:
    view = (config.pitch_deg, config.fov_y_deg, height, width)
    return [camera_at(torch.from_numpy(pose[:3]), float(pose[3]), *view) for pose in poses]


def _smooth_course(scene: Landscape, draws: Draws, config: FlightConfig) -> Float[np.ndarray, "frames 2"] | None:
    """A smooth course over the ground, or None where it leaves the window."""
    start, first = draws.uniform("start", 2).numpy(), 2 * np.pi * float(draws.uniform("heading", 1))
    turns = np.deg2rad(config.turn_deg) * (2 * draws.uniform("turns", config.bends).numpy() - 1)
    heading = first + np.concatenate([[0.0], turns.cumsum()])
    steps = config.length / (config.bends + 1) * np.stack([np.cos(heading), np.sin(heading)], axis=1)
    size = np.array(scene.window_size) - 1.0
    points = (
        scene.margin
        + np.concatenate([[[0.0, 0.0]], steps.cumsum(axis=0)])
        + size * (_BORDER + (1 - 2 * _BORDER) * start)
    )
    course = _evenly(CubicSpline(np.arange(len(points)), points), points, config)
    within = (course - scene.margin) / size
    inside = (within >= _BORDER).all() and (within <= 1 - _BORDER).all()
    return course if inside else None


def _line(points: Float[np.ndarray, "2 2"]) -> Callable[[np.ndarray], np.ndarray]:
    return lambda at: points[0] + at[:, None] * (points[1] - points[0])


def _evenly(
    spline: Callable[[np.ndarray], np.ndarray], points: Float[np.ndarray, "points 2"], config: FlightConfig
) -> Float[np.ndarray, "frames 2"]:
    """Places along a spline that are equally far from each other."""
    at = np.linspace(0, len(points) - 1, _DENSE * config.frames)
    length = np.append(0, np.linalg.norm(np.diff(spline(at), axis=0), axis=1).cumsum())
    return spline(np.interp(np.linspace(0, length[-1], config.frames), length, at))


def _under(top: np.ndarray, course: np.ndarray) -> Float[np.ndarray, " frames"]:
    i, j = np.round(course).astype(int).T
    return top[i, j]


def _height(under: Float[np.ndarray, " frames"], step: float, config: FlightConfig) -> Float[np.ndarray, " frames"]:
    """Heights of the path: the largest obstacle within reach of the evening-out, evened out."""
    spread = min(config.smoothness / step, len(under))  # in frames; over more than all of them nothing changes
    bound = maximum_filter(under, 2 * int(np.ceil(2 * spread)) + 1)
    return gaussian_filter(bound, spread, truncate=2.0, mode="nearest") + config.clearance
