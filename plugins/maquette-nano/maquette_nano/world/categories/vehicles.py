"""Categories of vehicles; they head towards +x."""

from __future__ import annotations

import math

from numpy.random import Generator

from maquette_nano.world.builder import Builder
from maquette_nano.world.colors import BODY, DARK, DETAIL, GLASS, GOLD, LIGHT


def car(b: Builder, rng: Generator) -> None:
    length, width, wheel = rng.uniform(0.66, 0.78), rng.uniform(0.3, 0.36), rng.uniform(0.15, 0.18)
    b.box((0, 0, 0), (length, width, 0.16), rounding=0.08)
    back, cabin = rng.uniform(-0.2, -0.08), rng.uniform(0.3, 0.38)
    b.box((back, 0, 0.24), (cabin, width - 0.05, 0.14), GLASS, rounding=0.05)
    b.box((back, 0, 0.38), (cabin - 0.02, width - 0.04, 0.05), DETAIL, rounding=0.04)
    for x in (-0.6, 0.6):
        for y in (-1, 1):
            b.cylinder((x * length, y * (width - 0.09), -0.15), (x * length, y * (width + 0.04), -0.15), wheel, DARK)
            b.cylinder(
                (x * length, y * (width + 0.02), -0.15), (x * length, y * (width + 0.05), -0.15), wheel * 0.5, LIGHT
            )
    for y in (-1, 1):
        b.ball((length - 0.02, y * width * 0.62, 0.02), 0.075, GOLD)
        b.box((-length + 0.01, y * width * 0.65, 0.03), (0.03, 0.07, 0.05), DARK)
    b.box((length, 0, -0.07), (0.02, 0.15, 0.04), DARK)


def train(b: Builder, rng: Generator) -> None:
    r, front = rng.uniform(0.22, 0.27), rng.uniform(0.55, 0.65)
    b.cylinder((-0.2, 0, 0.05), (front, 0, 0.05), r)
    b.box((-0.45, 0, 0.15), (0.26, 0.3, 0.38), DETAIL, rounding=0.03)
    b.box((-0.45, 0, 0.56), (0.32, 0.36, 0.04), BODY, rounding=0.02)
    b.box((-0.05, 0, -0.22), (0.7, 0.26, 0.05), DARK)
    b.cone((front - 0.16, 0, 0.25), (front - 0.16, 0, 0.25 + rng.uniform(0.25, 0.35)), 0.07, 0.13, DARK)
    b.ball((0.15, 0, 0.05 + r), 0.09, GOLD)
    for x in (-0.5, -0.15, 0.2, 0.5):
        for y in (-1, 1):
            b.cylinder((x, y * 0.2, -0.3), (x, y * 0.3, -0.3), 0.14, DARK)
            b.cylinder((x, y * 0.28, -0.3), (x, y * 0.31, -0.3), 0.06, LIGHT)
    for y in (-1, 1):
        b.box((-0.45, y * 0.3, 0.25), (0.14, 0.02, 0.12), GLASS)
    b.cylinder((front, 0, 0.05), (front + 0.03, 0, 0.05), r * 0.75, DARK)
    b.ball((front + 0.03, 0, 0.12), 0.08, GOLD)


def plane(b: Builder, rng: Generator) -> None:
    r, half = rng.uniform(0.13, 0.17), rng.uniform(0.65, 0.75)
    b.ball((0, 0, 0), (half, r, r * 1.1))
    span, sweep = rng.uniform(0.62, 0.75), rng.uniform(10, 25)
    for y in (-1, 1):
        b.box((0.02, y * span / 2, -0.02), (0.15, span / 2, 0.03), DETAIL, tilt_deg=("z", y * sweep))
        b.box((-half + 0.08, y * 0.16, 0.05), (0.08, 0.18, 0.025), DETAIL)
        b.cylinder((-0.02, y * span * 0.5, -0.1), (0.22, y * span * 0.5, -0.1), 0.065, DARK)
    b.box((-half + 0.1, 0, 0.2), (0.1, 0.03, 0.2), BODY, tilt_deg=("y", 20))
    b.ball((half * 0.55, 0, 0.1), (0.15, 0.09, 0.09), GLASS)
    b.ball((half - 0.02, 0, 0), 0.06, DARK)


def boat(b: Builder, rng: Generator) -> None:
    length, width = rng.uniform(0.58, 0.7), rng.uniform(0.26, 0.32)
    b.ball((0, 0, -0.2), (length, width, 0.3))
    b.box((0, 0, 0.1), (1.0, 1.0, 0.28), DARK, 1, rounding=0.0)
    b.box((-0.05, 0, -0.18), (length - 0.12, width - 0.08, 0.025), GOLD, rounding=0.0)
    mast = rng.uniform(0.75, 0.9)
    b.cylinder((0, 0, -0.2), (0, 0, mast), 0.035, DARK)
    steps = 7
    for k in range(steps):
        z = -0.02 + (mast - 0.1) * k / steps
        reach = (1 - k / steps) * 0.5 + 0.04
        b.box(
            (-reach / 2 - 0.03, 0, z + 0.055), (reach / 2, 0.03, (mast - 0.1) / steps / 2 + 0.005), DETAIL, rounding=0.0
        )
    b.cone((0.08, 0, 0.02), (0.06, 0, mast * 0.7), 0.16, 0.02, LIGHT)
    b.box((-0.08, 0, mast), (0.08, 0.02, 0.05), BODY)


def rocket(b: Builder, rng: Generator) -> None:
    r, half = rng.uniform(0.2, 0.26), rng.uniform(0.42, 0.52)
    b.cylinder((0, 0, -half), (0, 0, half), r)
    b.cone((0, 0, half - 0.01), (0, 0, half + rng.uniform(0.3, 0.42)), r, 0.02, DETAIL)
    b.cone((0, 0, -half - 0.12), (0, 0, -half), r * 0.55, r * 0.8, DARK)
    for k in range(3):
        a = math.radians(60 + 120 * k)
        x, y = math.cos(a), math.sin(a)
        b.box((x * (r + 0.12), y * (r + 0.12), -half + 0.08), (0.17, 0.035, 0.2), DETAIL, tilt_deg=("z", 60 + 120 * k))
    b.cylinder((r - 0.03, 0, half * 0.45), (r + 0.035, 0, half * 0.45), 0.13, LIGHT)
    b.cylinder((r, 0, half * 0.45), (r + 0.05, 0, half * 0.45), 0.09, GLASS)
    b.box((r, 0, -half * 0.5), (0.03, 0.08, 0.14), DARK)
