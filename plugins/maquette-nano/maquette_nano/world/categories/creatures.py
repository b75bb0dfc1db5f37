"""Categories of animals and other figures; they face +x."""

from __future__ import annotations

from numpy.random import Generator

from maquette_nano.world.builder import Builder
from maquette_nano.world.colors import BODY, DARK, DETAIL, GLASS, GOLD, LIGHT


def _eyes(b: Builder, x: float, y: float, z: float, r: float) -> None:
    for side in (-1, 1):
        b.ball((x, side * y, z), r, LIGHT)
        b.ball((x + r * 0.55, side * y, z), r * 0.62, DARK)


def robot(b: Builder, rng: Generator) -> None:
    w, h = rng.uniform(0.28, 0.36), rng.uniform(0.28, 0.34)
    b.box((0, 0, 0), (0.22, w, h), rounding=0.04)
    head = rng.uniform(0.19, 0.24)
    b.box((0, 0, h + head + 0.06), (head * 0.85, head * 1.1, head), rounding=0.05)
    b.cylinder((0, 0, h - 0.02), (0, 0, h + 0.1), 0.08, DARK)
    _eyes(b, head * 0.85, head * 0.5, h + head + 0.1, 0.075)
    b.box((head * 0.85, 0, h + head * 0.55 + 0.03), (0.02, head * 0.6, 0.03), DARK)
    b.box((0.22, 0, 0.05), (0.02, w * 0.6, h * 0.45), GLASS)
    b.ball((0.23, 0, 0.1), 0.06, DETAIL)
    b.box((-0.26, 0, 0.02), (0.07, w * 0.6, h * 0.6), DARK)
    b.cylinder((0, 0, h + 2 * head), (0, 0, h + 2 * head + 0.18), 0.025, DARK)
    b.ball((0, 0, h + 2 * head + 0.2), 0.06, DETAIL)
    swing = rng.uniform(0.0, 0.12)
    for y in (-1, 1):
        b.capsule((0, y * (w + 0.08), h - 0.08), (swing * y, y * (w + 0.13), -h + 0.02), 0.075, DETAIL)
        b.box((0.02, y * w * 0.5, -h - 0.18), (0.1, 0.1, 0.2), BODY)
        b.box((0.07, y * w * 0.5, -h - 0.38), (0.17, 0.12, 0.05), DARK)


def snowman(b: Builder, rng: Generator) -> None:
    r1, r2, r3 = rng.uniform(0.36, 0.42), rng.uniform(0.26, 0.31), rng.uniform(0.19, 0.23)
    z2, z3 = r1 * 0.75 + r2 * 0.7, r1 * 0.75 + r2 * 1.5 + r3 * 0.8
    b.ball((0, 0, 0), r1)
    b.ball((0, 0, z2), r2)
    b.ball((0, 0, z3), r3)
    b.cone((r3 * 0.8, 0, z3), (r3 + 0.22, 0, z3 - 0.02), 0.06, 0.012, GOLD)
    for y in (-1, 1):
        b.ball((r3 * 0.86, y * 0.08, z3 + 0.08), 0.04, DARK)
        b.capsule((0, y * r2 * 0.9, z2 + 0.05), (0.08, y * (r2 + 0.3), z2 + 0.2), 0.03, DARK)
    for z in (z2 - 0.1, z2 + 0.08):
        b.ball((r2 * 0.97, 0, z), 0.045, DARK)
    b.cylinder((0, 0, z3 + r3 * 0.75), (0, 0, z3 + r3 * 0.75 + 0.04), r3 * 1.25, DETAIL)
    b.cylinder((0, 0, z3 + r3 * 0.75), (0, 0, z3 + r3 * 0.75 + rng.uniform(0.2, 0.28)), r3 * 0.8, DETAIL)


def _legs(b: Builder, x: float, y: float, top: float, bottom: float, r: float) -> None:
    for i in (-1, 1):
        for j in (-1, 1):
            b.capsule((i * x, j * y, top), (i * x, j * y, bottom), r, BODY)
            b.ball((i * x + 0.03, j * y, bottom - 0.02), (r * 1.35, r * 1.15, r * 0.85), DETAIL)


def cat(b: Builder, rng: Generator) -> None:
    body, head = rng.uniform(0.36, 0.44), rng.uniform(0.24, 0.28)
    b.ball((0, 0, 0), (body, 0.23, 0.23))
    hx, hz = body + 0.05, 0.3
    b.ball((hx, 0, hz), (head * 0.92, head * 1.08, head), blend=0.06)
    for y in (-1, 1):
        b.cone(
            (hx - 0.02, y * head * 0.62, hz + head * 0.62), (hx - 0.02, y * head * 0.8, hz + head * 1.4), 0.12, 0.015
        )
    _eyes(b, hx + head * 0.72, head * 0.42, hz + 0.06, 0.075)
    b.ball((hx + head * 0.82, 0, hz - 0.08), (0.09, 0.12, 0.075), LIGHT)
    b.ball((hx + head * 0.82 + 0.08, 0, hz - 0.045), 0.035, DARK)
    _legs(b, body * 0.68, 0.13, -0.1, -0.42, 0.075)
    lift = rng.uniform(0.35, 0.6)
    b.capsule((-body * 0.9, 0, 0.08), (-body - 0.22, 0, 0.25), 0.055, blend=0.05)
    b.capsule((-body - 0.22, 0, 0.25), (-body - 0.2, 0, 0.25 + lift * 0.7), 0.055, blend=0.04)
    b.ball((-body - 0.2, 0, 0.27 + lift * 0.7), 0.075, DETAIL)


def dog(b: Builder, rng: Generator) -> None:
    body, head = rng.uniform(0.38, 0.46), rng.uniform(0.2, 0.24)
    b.box((0, 0, 0), (body, 0.2, 0.2), rounding=0.18)
    hx, hz = body + 0.06, 0.33
    b.capsule((body * 0.8, 0, 0.08), (hx, 0, hz), 0.13, blend=0.05)
    b.ball((hx, 0, hz), (head, head * 0.95, head))
    b.box((hx + head + 0.06, 0, hz - 0.07), (0.15, 0.1, 0.085), BODY, rounding=0.07, blend=0.05)
    b.ball((hx + head + 0.21, 0, hz - 0.02), 0.06, DARK)
    for y in (-1, 1):
        b.ball((hx - 0.04, y * head * 1.02, hz - 0.08), (0.1, 0.06, 0.23), DETAIL)
    _eyes(b, hx + head * 0.8, head * 0.45, hz + 0.08, 0.06)
    for i in (-1, 1):
        for j in (-1, 1):
            b.capsule((i * body * 0.72, j * 0.13, -0.1), (i * body * 0.72, j * 0.13, -rng.uniform(0.44, 0.46)), 0.085)
    b.capsule((-body * 0.9, 0, 0.1), (-body - 0.2, 0, rng.uniform(0.28, 0.42)), 0.05, blend=0.04)


def duck(b: Builder, rng: Generator) -> None:
    body, head = rng.uniform(0.42, 0.5), rng.uniform(0.2, 0.25)
    b.ball((0, 0, 0), (body, body * 0.7, body * 0.58))
    b.cone((-body * 0.7, 0, 0.08), (-body - 0.12, 0, 0.32), 0.17, 0.03, blend=0.08)
    hx, hz = body * 0.62, body * 0.5 + head * 0.85
    b.capsule((hx * 0.9, 0, 0.1), (hx, 0, hz), 0.13, blend=0.06)
    b.ball((hx, 0, hz), head)
    b.ball((hx + head + 0.08, 0, hz - 0.04), (0.17, 0.12, 0.055), DETAIL)
    _eyes(b, hx + head * 0.72, head * 0.55, hz + 0.08, 0.055)
    for y in (-1, 1):
        b.ball((-0.08, y * body * 0.63, 0.05), (body * 0.55, 0.09, body * 0.3), BODY)
        b.ball((-0.3, y * body * 0.68, 0.06), (0.12, 0.07, 0.07), DETAIL)
        b.capsule((0.05, y * 0.14, -0.2), (0.05, y * 0.14, -body * 0.58 - 0.14), 0.04, DETAIL)
        b.ball((0.12, y * 0.14, -body * 0.58 - 0.16), (0.15, 0.1, 0.035), DETAIL)


def fish(b: Builder, rng: Generator) -> None:
    length, height = rng.uniform(0.5, 0.58), rng.uniform(0.3, 0.38)
    b.ball((0, 0, 0), (length, 0.19, height))
    for sign in (-1, 1):
        b.box((-length - 0.1, 0, sign * 0.15), (0.2, 0.03, 0.09), DETAIL, tilt_deg=("y", sign * 38))
        b.ball((0.05, sign * 0.22, -0.1), (0.16, 0.05, 0.08), DETAIL)
    b.box((-0.05, 0, height + 0.03), (0.24, 0.03, 0.1), DETAIL, tilt_deg=("y", -8))
    b.ball((0.0, 0, -height), (0.13, 0.03, 0.1), DETAIL)
    _eyes(b, length * 0.66, 0.115, 0.1, 0.075)
    b.ball((length * 0.98, 0, -0.06), (0.06, 0.09, 0.045), DARK)
