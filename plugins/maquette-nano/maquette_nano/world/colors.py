"""The twelve named colours of objects, and the fixed colours of eyes, tyres and windows."""

from __future__ import annotations

COLORS: dict[str, tuple[float, float, float]] = {
    "red": (0.86, 0.10, 0.12),
    "orange": (0.98, 0.52, 0.06),
    "yellow": (0.98, 0.87, 0.16),
    "green": (0.14, 0.62, 0.20),
    "cyan": (0.18, 0.80, 0.84),
    "blue": (0.12, 0.26, 0.84),
    "purple": (0.50, 0.16, 0.66),
    "pink": (0.98, 0.56, 0.74),
    "brown": (0.44, 0.26, 0.13),
    "white": (0.96, 0.96, 0.96),
    "grey": (0.52, 0.52, 0.54),
    "black": (0.09, 0.09, 0.10),
}
"""Name -> linear display RGB in [0, 1]."""

BODY, DETAIL, DARK, LIGHT, GLASS, GOLD = range(6)
"""Colour slots of a primitive; the first two are specific to the object."""

FIXED: dict[int, tuple[float, float, float]] = {
    DARK: (0.10, 0.10, 0.12),
    LIGHT: (0.97, 0.97, 0.95),
    GLASS: (0.62, 0.80, 0.90),
    GOLD: (0.95, 0.74, 0.22),
}

PATTERNS = ("plain", "stripes", "dots")
