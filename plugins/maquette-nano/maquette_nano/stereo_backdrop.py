"""Textured ground and wall of a nano scene, drawn by casting a few rays for each pixel.

The ground is the plane z = 0, the wall a cylinder about the z axis. A texture is a function of two surface coordinates:
cells of three kinds with a colour each, under noise of several octaves. Octaves finer than a ray's footprint fade out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import prange
from numpy.typing import NDArray

from maquette.kernels.numba_support import cached

Array = NDArray[np.float32]

CLOUDS, TILES, PLANKS = range(3)
OCTAVES = 5
RAYS = 3  # per pixel side


@dataclass(frozen=True)
class Surface:
    """The texture of a surface.

    Args:
        pattern: CLOUDS, TILES or PLANKS.
        period: of tiles and planks, and of the coarsest noise, scene units.
        turn: angle of the pattern, radians.
        contrast: amplitude of the noise in [0, 1].
        colors: two colours [2, 3] between which cells lie.
        seed: of cells and noise.
    """

    pattern: int
    period: float
    turn: float
    contrast: float
    colors: Array
    seed: int

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Surface:
        """A random texture of two related colours."""
        first = rng.uniform(0.15, 0.95, 3)
        second = np.clip(first * rng.uniform(0.35, 0.8) + rng.uniform(-0.15, 0.15, 3), 0.03, 1)
        return cls(
            int(rng.integers(3)), rng.uniform(0.25, 0.7), rng.uniform(0, math.pi), rng.uniform(0.35, 0.7),
            np.array([first, second], np.float32), int(rng.integers(2**31)),
        )  # fmt: skip

    @property
    def numbers(self) -> Array:
        """What the loops take: pattern, 1 / period, cosine and sine of the turn, contrast."""
        return np.array(
            [self.pattern, 1 / self.period, math.cos(self.turn), math.sin(self.turn), self.contrast], np.float32
        )


def render_backdrop(
    c2w: Array, focal: float, size: int, ground: Surface, wall: Surface, wall_distance: float, spots: Array
) -> tuple[Array, Array]:
    """Colours [size, size, 3] in [0, 1] and distances along the axis [size, size] of ground and wall.

    Args:
        c2w: camera to world [4, 4], OpenGL axes; the camera is above the ground and within the wall.
        focal: in pixels.
        wall_distance: radius of the wall, scene units.
        spots: shaded disks on the ground [n, 3]: place and radius, scene units.
    """
    rgb, depth = np.empty((size, size, 3), np.float32), np.empty((size, size), np.float32)
    _cast(
        np.ascontiguousarray(c2w, np.float32), focal, size, ground.numbers, ground.colors, ground.seed, wall.numbers,
        wall.colors, wall.seed, wall_distance, spots, rgb, depth,
    )  # fmt: skip
    return rgb, depth


@cached()
def _random(x: int, y: int, seed: int) -> float:
    """A number in [0, 1) for a point of the lattice."""
    h = (np.uint32(x) * np.uint32(374761393)) ^ (np.uint32(y) * np.uint32(668265263)) ^ np.uint32(seed)
    h = (h ^ (h >> np.uint32(13))) * np.uint32(1274126177)
    h ^= h >> np.uint32(16)
    return float(h & np.uint32(0xFFFFFF)) / 16777216.0


@cached()
def _noise(u: float, v: float, seed: int) -> float:
    """Smooth noise in [0, 1): random numbers on the lattice, between which it is interpolated."""
    x, y = math.floor(u), math.floor(v)
    s, t = u - x, v - y
    s, t = s * s * (3 - 2 * s), t * t * (3 - 2 * t)
    i, j = int(x), int(y)
    low = _random(i, j, seed) * (1 - s) + _random(i + 1, j, seed) * s
    high = _random(i, j + 1, seed) * (1 - s) + _random(i + 1, j + 1, seed) * s
    return low * (1 - t) + high * t


@cached()
def _brightness(u: float, v: float, numbers: Array, seed: int, footprint: float) -> tuple[float, float]:
    """Place between the two colours, and a factor of brightness about 1."""
    pattern, rate = int(numbers[0]), numbers[1]
    a, b = (u * numbers[2] + v * numbers[3]) * rate, (v * numbers[2] - u * numbers[3]) * rate
    if pattern == TILES:
        mix = _random(math.floor(a), math.floor(b), seed + 1)
    elif pattern == PLANKS:
        row = math.floor(b)
        mix = _random(math.floor(a * 0.3 + _random(row, 7, seed)), row, seed + 2)
    else:
        mix = _noise(a * 0.7, b * 0.7, seed + 3)
    total, amplitude, scale = 0.0, 1.0, 2.0
    for octave in range(OCTAVES):
        fade = min(max(1.5 - footprint * rate * scale, 0.0), 1.0)
        total += amplitude * fade * (_noise(a * scale, b * scale, seed + 10 + octave) - 0.5)
        amplitude, scale = amplitude * 0.8, scale * 2.0
    return mix, 1.0 + numbers[4] * total


@cached(parallel=True)
def _cast(
    c2w: Array, focal: float, size: int, ground: Array, ground_colors: Array, ground_seed: int, wall: Array,
    wall_colors: Array, wall_seed: int, radius: float, spots: Array, rgb: Array, depth: Array,
) -> None:  # fmt: skip
    ox, oy, oz = c2w[0, 3], c2w[1, 3], c2w[2, 3]
    for row in prange(size):
        for column in range(size):
            red, green, blue, far = 0.0, 0.0, 0.0, 0.0
            for ray in range(RAYS * RAYS):
                x = (column + (ray % RAYS + 0.5) / RAYS - size / 2) / focal
                y = -(row + (ray // RAYS + 0.5) / RAYS - size / 2) / focal
                dx = c2w[0, 0] * x + c2w[0, 1] * y - c2w[0, 2]
                dy = c2w[1, 0] * x + c2w[1, 1] * y - c2w[1, 2]
                dz = c2w[2, 0] * x + c2w[2, 1] * y - c2w[2, 2]
                a, b, c = dx * dx + dy * dy, ox * dx + oy * dy, ox * ox + oy * oy - radius * radius
                t = (-b + math.sqrt(b * b - a * c)) / a
                on_ground = dz < 0 and -oz / dz < t
                t = -oz / dz if on_ground else t
                px, py, pz = ox + t * dx, oy + t * dy, oz + t * dz
                length = math.sqrt(dx * dx + dy * dy + dz * dz)
                footprint = t * length / focal
                if on_ground:
                    slope = max(-dz / length, 0.05)
                    mix, light = _brightness(px, py, ground, ground_seed, footprint / slope)
                    for spot in range(len(spots)):
                        near = ((px - spots[spot, 0]) ** 2 + (py - spots[spot, 1]) ** 2) / spots[spot, 2] ** 2
                        light *= 1.0 - 0.45 * math.exp(-near)
                else:
                    mix, light = _brightness(math.atan2(py, px) * radius, pz, wall, wall_seed, footprint)
                    light *= 0.85
                colors = ground_colors if on_ground else wall_colors
                red += min(max((colors[0, 0] + (colors[1, 0] - colors[0, 0]) * mix) * light, 0.0), 1.0)
                green += min(max((colors[0, 1] + (colors[1, 1] - colors[0, 1]) * mix) * light, 0.0), 1.0)
                blue += min(max((colors[0, 2] + (colors[1, 2] - colors[0, 2]) * mix) * light, 0.0), 1.0)
                far += t
            part = 1.0 / (RAYS * RAYS)
            rgb[row, column, 0], rgb[row, column, 1], rgb[row, column, 2] = red * part, green * part, blue * part
            depth[row, column] = far * part
