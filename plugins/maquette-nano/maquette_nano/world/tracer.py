"""Renders of an object by sphere tracing its signed distance: colour, coverage, depth and normal."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numba import prange
from numpy.typing import NDArray

from maquette.images.picture import Picture
from maquette.kernels.numba_support import cached
from maquette_nano.world.objects import NanoObject
from maquette_nano.world.primitives import color_slot, distance

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Render:
    """Views of one object.

    Args:
        rgb: [B, H, W, 3] in [0, 1], shaded, straight (not multiplied by opacity).
        opacity: [B, H, W] coverage in [0, 1].
        depth: [B, H, W] distance along the ray in scene units, 0 where nothing is hit.
        normal: [B, H, W, 3] unit, world frame, 0 where nothing is hit.
    """

    rgb: Array
    opacity: Array
    depth: Array
    normal: Array

    @property
    def picture(self) -> Picture:
        """The views as a picture with alpha."""
        return Picture(torch.from_numpy(self.rgb), torch.from_numpy(self.opacity)[..., None])


def orbit_c2w(azimuth_deg: float, elevation_deg: float, distance: float) -> Array:
    """Camera-to-world [4, 4], OpenGL axes, looking at the origin; azimuth 0 sees the front (+x)."""
    a, e = math.radians(azimuth_deg), math.radians(elevation_deg)
    backward = np.array([math.cos(e) * math.cos(a), math.cos(e) * math.sin(a), math.sin(e)])
    right = np.array([-math.sin(a), math.cos(a), 0.0])
    c2w = np.eye(4, dtype=np.float32)
    c2w[:3, 0], c2w[:3, 1], c2w[:3, 2] = right, np.cross(backward, right), backward
    c2w[:3, 3] = backward * distance
    return c2w


@cached(fastmath=True)
def surface_slot(table: Array, patterned: int, period: float, x: float, y: float, z: float) -> int:
    """Colour slot with the body's pattern: 0 none, 1 horizontal stripes, 2 dots on a lattice."""
    slot = color_slot(table, x, y, z)
    if slot != 0 or patterned == 0:
        return slot
    if patterned == 1:
        return 1 if (z / period - math.floor(z / period)) < 0.45 else 0
    row = math.floor(z / period)
    shift = 0.5 * (int(row) & 1)
    fx = x / period + shift - math.floor(x / period + shift) - 0.5
    fy = y / period + shift - math.floor(y / period + shift) - 0.5
    fz = z / period - row - 0.5
    return 1 if fx * fx + fy * fy + fz * fz < 0.135 else 0


@cached(fastmath=True, parallel=True)
def surface_slots(table: Array, patterned: int, period: float, points: Array) -> NDArray[np.int64]:
    """`surface_slot` of each of the points [n, 3]."""
    slots = np.empty(points.shape[0], np.int64)
    for i in prange(points.shape[0]):
        slots[i] = surface_slot(table, patterned, period, points[i, 0], points[i, 1], points[i, 2])
    return slots


@cached(fastmath=True, parallel=True)
def _trace(
    table: Array,
    palette: Array,
    patterned: int,
    period: float,
    bound: float,
    c2w: Array,
    focal: float,
    size: int,
    supersample: int,
    ambient: float,
    diffuse: float,
    rgb: Array,
    opacity: Array,
    depth: Array,
    normal: Array,
) -> None:
    count = size * supersample
    for job in prange(c2w.shape[0] * size):
        view, row = job // size, job % size
        m = c2w[view]
        ox, oy, oz = m[0, 3], m[1, 3], m[2, 3]
        # the light sits above and to the left of the camera
        lx = m[0, 2] * 0.8 + m[0, 1] * 0.5 - m[0, 0] * 0.35
        ly = m[1, 2] * 0.8 + m[1, 1] * 0.5 - m[1, 0] * 0.35
        lz = m[2, 2] * 0.8 + m[2, 1] * 0.5 - m[2, 0] * 0.35
        ll = 1.0 / math.sqrt(lx * lx + ly * ly + lz * lz)
        for column in range(size):
            red = green = blue = hits = far = nx_sum = ny_sum = nz_sum = 0.0
            for sub in range(supersample * supersample):
                i = row * supersample + sub // supersample
                j = column * supersample + sub % supersample
                cx = (j + 0.5 - 0.5 * count) / focal
                cy = -(i + 0.5 - 0.5 * count) / focal
                dx = m[0, 0] * cx + m[0, 1] * cy - m[0, 2]
                dy = m[1, 0] * cx + m[1, 1] * cy - m[1, 2]
                dz = m[2, 0] * cx + m[2, 1] * cy - m[2, 2]
                inv = 1.0 / math.sqrt(dx * dx + dy * dy + dz * dz)
                dx, dy, dz = dx * inv, dy * inv, dz * inv
                b = ox * dx + oy * dy + oz * dz
                disc = b * b - (ox * ox + oy * oy + oz * oz - bound * bound)
                if disc <= 0.0:
                    continue
                root = math.sqrt(disc)
                t, end = max(-b - root, 0.0), -b + root
                hit = False
                for _ in range(96):
                    d = distance(table, ox + t * dx, oy + t * dy, oz + t * dz)
                    if d < 8e-4:
                        hit = True
                        break
                    t += 0.92 * d
                    if t > end:
                        break
                if not hit:
                    continue
                px, py, pz = ox + t * dx, oy + t * dy, oz + t * dz
                h = 1.5e-3
                d1, d2 = distance(table, px + h, py - h, pz - h), distance(table, px - h, py - h, pz + h)
                d3, d4 = distance(table, px - h, py + h, pz - h), distance(table, px + h, py + h, pz + h)
                nx, ny, nz = d1 - d2 - d3 + d4, -d1 - d2 + d3 + d4, -d1 + d2 - d3 + d4
                ni = 1.0 / math.sqrt(nx * nx + ny * ny + nz * nz + 1e-20)
                nx, ny, nz = nx * ni, ny * ni, nz * ni
                slot = surface_slot(table, patterned, period, px, py, pz)
                shade = ambient + diffuse * max((nx * lx + ny * ly + nz * lz) * ll, 0.0)
                red += palette[slot, 0] * shade
                green += palette[slot, 1] * shade
                blue += palette[slot, 2] * shade
                hits += 1.0
                far += t
                nx_sum += nx
                ny_sum += ny
                nz_sum += nz
            if hits > 0.0:
                k = 1.0 / hits
                rgb[view, row, column, 0] = min(red * k, 1.0)
                rgb[view, row, column, 1] = min(green * k, 1.0)
                rgb[view, row, column, 2] = min(blue * k, 1.0)
                opacity[view, row, column] = hits / (supersample * supersample)
                depth[view, row, column] = far * k
                length = 1.0 / math.sqrt(nx_sum * nx_sum + ny_sum * ny_sum + nz_sum * nz_sum + 1e-20)
                normal[view, row, column, 0] = nx_sum * length
                normal[view, row, column, 1] = ny_sum * length
                normal[view, row, column, 2] = nz_sum * length


def render(
    obj: NanoObject,
    c2w: Array,
    fov_y_deg: float,
    size: int,
    supersample: int = 2,
    ambient: float = 0.62,
    diffuse: float = 0.45,
) -> Render:
    """Square views of `obj`, lit from above and left of each camera.

    Args:
        obj: the object; it lies within the sphere of radius `NanoObject.bound` about the origin.
        c2w: [B, 4, 4] camera-to-world, OpenGL axes, world z up.
        fov_y_deg: full vertical angle of view.
        size: image side in pixels.
        supersample: rays per pixel side.
        ambient: ambient fraction of the colour; diffuse: fraction that follows the cosine law.
    """
    c2w = np.ascontiguousarray(c2w, np.float32)
    image_shape = (len(c2w), size, size)
    result = Render(
        np.zeros((*image_shape, 3), np.float32),
        np.zeros(image_shape, np.float32),
        np.zeros(image_shape, np.float32),
        np.zeros((*image_shape, 3), np.float32),
    )
    focal = 0.5 * size * supersample / math.tan(math.radians(fov_y_deg) / 2)
    _trace(
        obj.table, obj.palette, obj.pattern_code, obj.period, obj.bound, c2w, focal, size, supersample,
        ambient, diffuse, result.rgb, result.opacity, result.depth, result.normal,
    )  # fmt: skip
    return result
