"""Reading of .mtl files: the materials of OBJ."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from maquette.meshes.formats.source import Source, decode_text

OPTIONS = {
    "-blendu": 1, "-blendv": 1, "-boost": 1, "-mm": 2, "-texres": 1, "-clamp": 1, "-bm": 1, "-imfchan": 1, "-cc": 1,
    "-type": 1, "-colorspace": 1,
}  # fmt: skip
"""Options of a map and the number of their arguments; `VECTORS` have one to three numbers."""
VECTORS = ("-o", "-s", "-t")
LEFT_OUT = {
    "map_d": "transparency", "map_bump": "normal map", "bump": "normal map", "norm": "normal map", "map_ke": "emission",
    "map_ks": "specular map", "map_ka": "ambient map", "map_pr": "metallic and roughness",
    "map_pm": "metallic and roughness", "disp": "displacement map",
}  # fmt: skip


@dataclass
class Material:
    """A material of a .mtl file.

    Args:
        color: Kd, sRGB [3]; None if the file gives none.
        texture: file name of map_Kd; empty without one.
        scale, offset: of the uv, as -s and -o of map_Kd say.
        clamp: whether the texture ends at its border.
    """

    color: np.ndarray | None = None
    texture: str = ""
    scale: np.ndarray = field(default_factory=lambda: np.ones(2))
    offset: np.ndarray = field(default_factory=lambda: np.zeros(2))
    clamp: bool = False


def read_materials(data: bytes, name: str, source: Source) -> dict[str, Material]:
    """The materials of a .mtl file by name."""
    materials: dict[str, Material] = {}
    current = Material()
    for number, line in enumerate(decode_text(data).split("\n"), 1):
        words = line.split("#")[0].split() if line.lstrip().startswith("#") else line.split()
        if len(words) < 2:
            continue
        key, rest = words[0].lower(), line.strip()[len(words[0]) :].strip()
        if key == "newmtl":
            current = materials.setdefault(rest, Material())
        elif key == "kd":
            current.color = _color(words[1:], f"{name}:{number}", source)
        elif key == "map_kd":
            _read_map(rest, current, source)
        elif key in LEFT_OUT:
            source.leaves(LEFT_OUT[key])
        elif (key == "d" and words[-1] not in ("1", "1.0") and _number(words[-1]) != 1) or (
            key == "tr" and _number(words[-1]) not in (0, None)
        ):
            source.leaves("transparency")
        elif key == "ke" and any(_number(word) for word in words[1:]):
            source.leaves("emission")
    return materials


def _color(words: list[str], place: str, source: Source) -> np.ndarray | None:
    if words[0] in ("spectral", "xyz"):
        source.leaves(f"colours given as {words[0]}")
        return None
    numbers = [_number(word) for word in words[:3]]
    if None in numbers:
        source.warns(f"the colour {' '.join(words)!r} is no colour ({place})")
        return None
    color = np.array((numbers * 3)[:3] if len(numbers) == 1 else [*numbers, 0, 0][:3], np.float64)
    if (color < 0).any() or (color > 1).any():
        source.warns(f"the colour {' '.join(words)!r} lies outside 0 to 1 and is clipped ({place})")
    return color.clip(0, 1)


def _read_map(text: str, material: Material, source: Source) -> None:
    """Set texture, scale, offset and clamp from a map's options and file name, which may hold spaces."""
    rest = text
    while rest.startswith("-"):
        words = rest.split()
        option, count = words[0].lower(), OPTIONS.get(words[0].lower(), 0)
        if option in VECTORS:
            numbers: list[float] = []
            for word in words[1:4]:
                number = _number(word)
                if number is None or len(words) <= len(numbers) + 2:  # the last word is the file
                    break
                numbers.append(number)
            count = len(numbers)
            pair = np.array([*numbers, *((1, 1) if option == "-s" else (0, 0))][: max(2, 0)], np.float64)
            if option == "-s":
                material.scale = pair
            elif option == "-o":
                material.offset = pair
            elif any(numbers):
                source.leaves("turbulence of a texture (-t)")
        elif option not in OPTIONS:
            break  # a file name with a leading dash
        elif option == "-clamp":
            material.clamp = words[1:2] == ["on"]
        elif option == "-mm" and [_number(word) for word in words[1:3]] != [0, 1]:
            source.leaves("base and gain of a texture (-mm)")
        for _ in range(count + 1):
            rest = rest.split(None, 1)[1] if len(rest.split(None, 1)) > 1 else ""
    rest = rest.strip()
    if " #" in rest and source.find(rest) is None:
        rest = rest.split(" #")[0].strip()
    material.texture = rest.strip('"')


def _number(word: str) -> float | None:
    try:
        value = float(word)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
