"""What COLMAP's sparse models hold, whichever of its two formats they are in."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from maquette.data.formats.posed_images import SparsePoints
from maquette.errors import ConfigError
from maquette.files import display_path
from maquette.images.lenses import MODELS, Lens


@dataclass(frozen=True)
class ColmapImage:
    """One picture of a model.

    Args:
        id: its number.
        rotation: unit quaternion (w, x, y, z), world to camera.
        translation: likewise.
        camera: number of its camera.
        name: of its file, relative to the folder of pictures.
    """

    id: int
    rotation: tuple[float, ...]
    translation: tuple[float, ...]
    camera: int
    name: str


@dataclass
class ColmapModel:
    """A sparse model.

    Args:
        cameras: lenses by number.
        images: in the order of the file.
        points: None without a file of points.
        warnings: what is odd about the files.
    """

    cameras: dict[int, Lens]
    images: list[ColmapImage]
    points: SparsePoints | None = None
    warnings: list[str] = field(default_factory=list)


def colmap_lens(
    model: str, width: int, height: int, parameters: tuple[float, ...], path: Path, line: int | None
) -> Lens:
    """A camera of a model.

    Raises:
        ConfigError: the model is not known, or has another number of parameters.
    """
    if model not in MODELS:
        raise ConfigError(
            f"cameras of the model {model!r} are not read", file=display_path(path), line=line,
            hint=f"undistort first: colmap image_undistorter. The models are {', '.join(MODELS)}",
        )  # fmt: skip
    expected = colmap_parameters(model)
    if len(parameters) != len(expected):
        raise ConfigError(
            f"expected WIDTH HEIGHT {' '.join(name.upper() for name in expected)}", file=display_path(path), line=line
        )
    if width < 1 or height < 1:
        raise ConfigError(f"a picture of {width} x {height} pixels is none", file=display_path(path), line=line)
    return Lens.of_colmap(model, width, height, parameters)


def colmap_parameters(model: str) -> tuple[str, ...]:
    """Names of a model's parameters."""
    return (*(("f",) if MODELS[model].focals == 1 else ("fx", "fy")), "cx", "cy", *MODELS[model].names)
