"""Landscapes as PNG: a height map in grey and a map of classes in colour, which users may paint.

Heights are grey of 16 bits, 0 for -1 and 65,535 for 1, with the sea in the middle; grey of 8 bits is read likewise.
Classes are colours of `classes.yaml`, as RGB or with a palette.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from maquette.errors import ConfigError
from maquette.files import atomic_path, display_path
from maquette.images.decoding import SIXTEEN_BIT_MODES, open_picture
from maquette.landscapes.classes import CLASSES, NAMES, TREE, WATER, labels_of
from maquette.landscapes.trees import NAMES as SPECIES
from maquette.landscapes.trees import plant
from maquette.landscapes.world import Landscape, WorldConfig

_log = logging.getLogger(__name__)

_COLORS = np.array([entry.color for entry in CLASSES], np.int64)
_LARGEST_16 = 65535


def write_height(path: Path, landscape: Landscape) -> None:
    """Write the heights of a landscape as a PNG; its rows are y, from the largest down."""
    relative = (landscape.height.numpy() / landscape.highest).clip(-1, 1)
    levels = np.round((relative + 1) / 2 * 65535).astype(np.uint16)
    _save(path, Image.fromarray(_upright(levels)))


def write_classes(path: Path, landscape: Landscape) -> None:
    """Write the classes of a landscape as a PNG, in the classes' colours."""
    _save(path, Image.fromarray(_upright(_COLORS.astype(np.uint8)[landscape.classes.numpy()])))


def read_landscape(height: Path, classes: Path, config: WorldConfig) -> Landscape:
    """A landscape that a user has painted: its heights, and its classes.

    Where the class is tree, a tree of the nearest other class stands. Water is where the height is below 0.

    Args:
        height: grey PNG of config.size squared.
        classes: PNG of the same size, in the classes' colours.
        config: gives the size, the height of the highest mountain, and the trees.

    Raises:
        ConfigError: a file cannot be read, has another size, or holds a colour of no class.
    """
    relative = _read_height(height, config.size)
    numbers = _read_classes(classes, config.size)
    levels = config.cells_high(relative)
    under = levels < 0
    _tell_apart(under, numbers)
    roots = np.argwhere((numbers == TREE) & ~under)
    ground = np.where(under, WATER, _without_trees(numbers)).astype(np.uint8)
    columns = plant(roots, _species(ground[roots[:, 0], roots[:, 1]]), levels, config.tree_scale)
    slope = np.hypot(*np.gradient(levels))
    labels = labels_of(ground, relative, slope, config.relief)
    ground[roots[:, 0], roots[:, 1]] = TREE
    return Landscape.of_arrays(levels, ground, labels, columns, config.highest)


def _tell_apart(under: np.ndarray, numbers: UInt8[np.ndarray, "x y"]) -> None:
    """Say how many cells are painted as water over the level of the sea, or as land below it."""
    dry, drowned = int((~under & (numbers == WATER)).sum()), int((under & (numbers != WATER)).sum())
    if dry:
        _log.warning("%d cells that are painted as water lie above the sea: they look like sand", dry)
    if drowned:
        _log.warning("%d cells that are painted as land lie below the sea: they are water", drowned)


def _read_height(path: Path, size: int) -> Float[np.ndarray, "x y"]:
    picture = _open(path, "heightmap", size)
    grey = np.asarray(picture, np.float64) if picture.mode in SIXTEEN_BIT_MODES else None
    if picture.mode == "F" or (grey is not None and (grey.min() < 0 or grey.max() > _LARGEST_16)):
        raise ConfigError(
            f"{display_path(path)} has numbers beyond 16 bits", key="heightmap",
            hint="save it as a grey PNG of 16 or 8 bits, in which the sea is in the middle",
        )  # fmt: skip
    if grey is not None:
        return _indexed(grey / _LARGEST_16 * 2 - 1)
    return _indexed(np.asarray(picture.convert("L"), np.float64) / 255 * 2 - 1)


def _read_classes(path: Path, size: int) -> UInt8[np.ndarray, "x y"]:
    colors = _indexed(np.asarray(_open(path, "labels", size).convert("RGB"), np.int64))
    distance = np.abs(colors[:, :, None] - _COLORS).sum(axis=-1)
    nearest = distance.argmin(axis=-1)
    wrong = np.argwhere(distance.min(axis=-1) > 0)
    if len(wrong):
        x, y = wrong[0]
        name = NAMES[nearest[x, y]]
        raise ConfigError(
            f"{_hex(colors[x, y])} at column {x}, row {size - 1 - y} of {display_path(path)} is the colour of no class",
            key="labels",
            hint=f"the nearest is {_hex(_COLORS[nearest[x, y]])}, {name}; save without smoothing and as PNG",
        )
    return nearest.astype(np.uint8)


def _open(path: Path, key: str, size: int) -> Image.Image:
    if not path.exists():
        raise ConfigError(f"there is no picture {display_path(path)}", key=key)
    with open_picture(path, display_path(path)) as picture:
        try:
            picture.load()
        except Exception as problem:  # decoders meet damaged files with errors of any class
            raise ConfigError(f"{display_path(path)} is damaged: {problem}", key=key, hint="save it again") from problem
    if picture.has_transparency_data and np.asarray(picture.convert("RGBA"))[..., 3].min() < 255:
        raise ConfigError(f"parts of {display_path(path)} are transparent", key=key, hint="save it without alpha")
    if picture.size != (size, size):
        width, height = picture.size
        actual, expected = f"{width} x {height}", f"{size} x {size}"
        raise ConfigError(
            f"{display_path(path)} is {actual} pixels; this world is {expected}", key=key,
            hint=f"scale it, or set landscape.world.size={width}" if width == height else "scale it to a square",
        )  # fmt: skip
    return picture


def _without_trees(numbers: UInt8[np.ndarray, "x y"]) -> np.ndarray:
    """The class of the ground under trees: that of the nearest cell that is neither tree nor water."""
    from scipy.ndimage import distance_transform_edt

    other = (numbers == TREE) | (numbers == WATER)
    if other.all():
        return np.where(numbers == TREE, NAMES.index("temperate-forest"), numbers)
    nearest = distance_transform_edt(other, return_distances=False, return_indices=True)
    return np.where(numbers == TREE, numbers[tuple(nearest)], numbers)


def _species(biomes: UInt8[np.ndarray, " n"]) -> np.ndarray:
    names = [entry.species[0] if entry.species else "conifer" for entry in CLASSES]
    return np.array([SPECIES.index(name) for name in names])[biomes]


def _upright(values: np.ndarray) -> np.ndarray:
    """From [x, y] to rows from the top."""
    return np.ascontiguousarray(values.swapaxes(0, 1)[::-1])


def _indexed(rows: np.ndarray) -> np.ndarray:
    """From rows from the top to [x, y]."""
    return rows[::-1].swapaxes(0, 1)


def _hex(color: np.ndarray) -> str:
    return "#" + bytes(color.astype(np.uint8)).hex()


def _save(path: Path, picture: Image.Image) -> None:
    with atomic_path(path) as temporary:
        picture.save(temporary, format="PNG")
