"""Categories of household objects and plants. x is the front, y the left, z up; objects are normalised later."""

from __future__ import annotations

import math

from numpy.random import Generator

from maquette_nano.world.builder import Builder
from maquette_nano.world.colors import BODY, DARK, DETAIL, GLASS, GOLD, LIGHT
from maquette_nano.world.primitives import PAINT, SUBTRACT


def mug(b: Builder, rng: Generator) -> None:
    r, h = rng.uniform(0.38, 0.5), rng.uniform(0.45, 0.6)
    b.cylinder((0, 0, -h), (0, 0, h), r, rounding=0.04)
    b.cylinder((0, 0, -h + 0.1), (0, 0, h + 0.3), r - 0.07, DARK, SUBTRACT)
    ring = rng.uniform(0.22, 0.3)
    b.torus((0, r + 0.06, 0), (1, 0, 0), ring, 0.075, DETAIL)
    b.cylinder((0, 0, -h + 0.08), (0, 0, h - 0.1), r - 0.075, BODY, SUBTRACT)
    b.ball((r - 0.02, 0, 0.02), (0.05, 0.17, 0.17), DETAIL, PAINT)


def teapot(b: Builder, rng: Generator) -> None:
    r, flat = rng.uniform(0.45, 0.52), rng.uniform(0.75, 0.92)
    b.ball((0, 0, 0), (r, r, r * flat))
    b.cylinder((0, 0, -r * flat), (0, 0, -r * flat + 0.1), r * 0.6)
    b.ball((0, 0, r * flat - 0.05), (r * 0.55, r * 0.55, 0.13), DETAIL)
    b.ball((0, 0, r * flat + 0.13), 0.08, DETAIL)
    b.cone((r * 0.75, 0, -0.1), (r + 0.42, 0, 0.3), 0.15, 0.06, blend=0.08)
    b.torus((-r - 0.08, 0, 0.03), (0, 1, 0), rng.uniform(0.2, 0.26), 0.06)


def chair(b: Builder, rng: Generator) -> None:
    w, seat, back = rng.uniform(0.36, 0.46), rng.uniform(-0.1, 0.02), rng.uniform(0.6, 0.8)
    b.box((0, 0, seat), (w, w, 0.07), rounding=0.03)
    b.box((-w + 0.05, 0, seat + back / 2), (0.06, w, back / 2 + 0.02), rounding=0.04)
    for x in (-1, 1):
        for y in (-1, 1):
            b.cylinder(
                (x * (w - 0.07), y * (w - 0.07), seat - 0.6), (x * (w - 0.07), y * (w - 0.07), seat), 0.06, DETAIL
            )


def lamp(b: Builder, rng: Generator) -> None:
    pole, shade = rng.uniform(0.35, 0.5), rng.uniform(0.38, 0.48)
    b.cylinder((0, 0, -pole - 0.1), (0, 0, -pole), rng.uniform(0.28, 0.36), DETAIL, rounding=0.04)
    b.cylinder((0, 0, -pole), (0, 0, 0.2), 0.05, DETAIL)
    b.cone((0, 0, 0.05), (0, 0, 0.05 + rng.uniform(0.42, 0.55)), shade, shade * rng.uniform(0.45, 0.6))
    b.cylinder((shade * 0.45, 0.0, 0.1), (shade * 0.45, 0, -0.2), 0.02, DARK)
    b.ball((shade * 0.45, 0, -0.22), 0.05, GOLD)


def house(b: Builder, rng: Generator) -> None:
    w, d, h = rng.uniform(0.42, 0.5), rng.uniform(0.4, 0.5), rng.uniform(0.3, 0.38)
    rise = rng.uniform(0.3, 0.42)
    b.box((0, 0, -0.1), (d, w, h), rounding=0.01)
    slope, top = math.degrees(math.atan2(rise, w)), h - 0.1
    length = math.hypot(rise, w) / 2 + 0.09
    for side in (-1, 1):
        b.box(
            (0, side * w / 2 * 1.06, top + rise / 2 - 0.02),
            (d + 0.08, length, 0.05),
            DETAIL,
            tilt_deg=("x", -side * slope),
        )
    b.cone((-d + 0.01, 0, top - 0.01), (d - 0.01, 0, top - 0.01), 0.01, 0.01)
    for k in range(4):
        height = rise * (k + 0.4) / 4.6
        b.box((0, 0, top + height), (d - 0.01, w * (1 - height / rise) - 0.02, rise / 8), rounding=0.0)
    b.box((d, rng.uniform(-0.08, 0.08), -h - 0.1 + 0.2), (0.03, 0.12, 0.2), DARK)
    for y in (-1, 1):
        b.box((d, y * w * 0.62, 0.0), (0.02, 0.1, 0.1), GLASS)
    for y in (-1, 1):
        b.box((0, y * w, -0.05), (0.13, 0.02, 0.11), GLASS)
    b.box((-d * 0.4, w * 0.45, top + rise * 0.8), (0.08, 0.08, 0.22), DARK)


def clock(b: Builder, rng: Generator) -> None:
    r, thick = rng.uniform(0.5, 0.58), rng.uniform(0.13, 0.2)
    b.cylinder((-thick, 0, 0), (thick, 0, 0), r, rounding=0.04)
    b.cylinder((thick, 0, 0), (thick + 0.02, 0, 0), r - 0.1, LIGHT)
    for k, length in ((rng.uniform(0.5, 1.1), r - 0.18), (rng.uniform(2.0, 5.5), r - 0.3)):
        tip = (thick + 0.04, -math.sin(k) * length, math.cos(k) * length)
        b.capsule((thick + 0.04, 0, 0), tip, 0.045, DETAIL)
    for k in range(4):
        a = k * math.pi / 2
        b.ball((thick + 0.02, (r - 0.16) * math.sin(a), (r - 0.16) * math.cos(a)), 0.045, DARK)
    for y in (-1, 1):
        b.ball((0, y * r * 0.62, r * 0.9), (0.13, 0.17, 0.13), DETAIL)
        b.capsule((0, y * r * 0.5, -r * 0.8), (0, y * r * 0.72, -r - 0.12), 0.06, DETAIL)
    b.box((-thick, 0, -0.05), (0.05, 0.18, 0.14), DARK)


def camera(b: Builder, rng: Generator) -> None:
    w, h, d = rng.uniform(0.52, 0.6), rng.uniform(0.32, 0.38), rng.uniform(0.18, 0.24)
    b.box((0, 0, 0), (d, w, h), rounding=0.06)
    r = rng.uniform(0.22, 0.28)
    b.cylinder((d - 0.02, 0, -0.03), (d + 0.26, 0, -0.03), r, DETAIL, rounding=0.03)
    b.cylinder((d + 0.25, 0, -0.03), (d + 0.28, 0, -0.03), r - 0.06, DARK)
    b.ball((d + 0.26, 0.06, 0.05), 0.05, GLASS)
    b.box((0, 0, h + 0.05), (d * 0.7, 0.2, 0.09), BODY, rounding=0.04)
    b.box((d * 0.7, 0, h + 0.06), (0.03, 0.1, 0.05), LIGHT)
    b.cylinder((0, -w + 0.16, h - 0.02), (0, -w + 0.16, h + 0.07), 0.08, GOLD)
    b.box((-d, 0, 0), (0.02, w * 0.7, h * 0.7), GLASS)


def mushroom(b: Builder, rng: Generator) -> None:
    cap, stem, height = rng.uniform(0.5, 0.62), rng.uniform(0.15, 0.21), rng.uniform(0.55, 0.7)
    b.cone((0, 0, -height), (0, 0, 0.1), stem * 1.25, stem, DETAIL)
    b.ball((0, 0, 0.05), (cap, cap, cap * rng.uniform(0.72, 0.9)))
    b.box((0, 0, -0.42), (1.0, 1.0, 0.42), BODY, SUBTRACT, rounding=0.0)
    b.cone((0, 0, -height), (0, 0, 0.1), stem * 1.25, stem, DETAIL)
    for y in (-1, 1):
        b.ball((stem * 1.02, y * 0.085, -height * 0.42), 0.045, DARK)
    b.ball((stem * 1.08, 0, -height * 0.62), (0.04, 0.07, 0.03), DARK)


def tree(b: Builder, rng: Generator) -> None:
    trunk = rng.uniform(0.35, 0.5)
    b.cone((0, 0, -trunk - 0.35), (0, 0, 0.0), 0.16, 0.1, GOLD)
    if rng.random() < 0.5:
        for k in range(3):
            z = -0.25 + k * 0.28
            b.cone((0, 0, z), (0, 0, z + 0.42), 0.52 - 0.13 * k, 0.06)
        spots = [(0.42, 0.0, -0.17), (0.25, 0.22, 0.13), (0.22, -0.2, 0.13), (0.16, 0.05, 0.4)]
    else:
        r = rng.uniform(0.42, 0.5)
        b.ball((0, 0, 0.25), r)
        b.ball((0, r * 0.6, 0.1), r * 0.6, blend=0.1)
        b.ball((0, -r * 0.6, 0.1), r * 0.6, blend=0.1)
        spots = [(r * 0.95, 0.0, 0.3), (r * 0.75, 0.28, 0.15), (r * 0.75, -0.26, 0.12), (r * 0.7, 0.05, 0.58)]
    for x, y, z in spots:
        b.ball((x, y, z), 0.085, DETAIL)
    b.ball((-0.3, 0.15, 0.2), 0.08, DETAIL)
