"""Helpers of the format readers: typed values of JSON and text files, with errors that name file and key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.config.origins import Origin
from maquette.config.parts import check
from maquette.errors import ConfigError
from maquette.files import decode_text, display_path, is_inside

RIGID_TOLERANCE = 1e-3  # of the entries of R^T R: files are often written with four digits

WORK_FOLDERS = ("sparse", "colmap", "dense", "undistorted", "distorted", "model")  # in which COLMAP's models lie


def read_bytes(path: Path) -> bytes:
    """The content of a file that describes cameras; a link to it stays in the folder of the pictures and models.

    Raises:
        ConfigError: it is a link that leads out of the folder.
        OSError: it cannot be read.
    """
    home = path.parent
    while home.name.isdecimal() or home.name in WORK_FOLDERS:
        home = home.parent
    if path.is_symlink() and not is_inside(path, (home,)):
        raise ConfigError(
            f"this link leads out of the folder {display_path(home)}", file=display_path(path),
            hint="copy the file there, or allow its folder: --allow FOLDER",
        )  # fmt: skip
    return path.read_bytes()


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, or in UTF-16 with a byte order mark, its lines ended by "\\n".

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        return decode_text(read_bytes(path)).replace("\r\n", "\n").replace("\r", "\n")
    except (OSError, UnicodeDecodeError) as problem:
        raise ConfigError(f"cannot read this file: {problem}", file=display_path(path)) from problem


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object.

    Raises:
        ConfigError: not readable, malformed (with the line), or something else than an object.
    """
    try:
        data = json.loads(read_text(path))
    except json.JSONDecodeError as problem:
        raise ConfigError(f"not JSON: {problem.msg}", file=display_path(path), line=problem.lineno) from problem
    except (ValueError, RecursionError) as problem:  # numbers of thousands of digits, lists in thousands of lists
        raise ConfigError(f"not JSON that is read: {problem}", file=display_path(path)) from problem
    if not isinstance(data, dict):
        raise ConfigError("expected an object of keys and values", file=display_path(path), line=1)
    return data


def parse_typed(expected: Any, value: Any, key: str, file: Path) -> Any:
    """`value` converted to the type `expected`; raises ConfigError naming the innermost key at fault and the file."""
    file_name = display_path(file)
    try:
        return check(expected, value, key, lambda _: Origin(file_name, file_name))
    except OverflowError:  # JSON's numbers have no limits
        raise ConfigError("this number is too large", key=key, file=file_name) from None


def required_value(data: Mapping[str, Any], name: str, key: str, file: Path) -> Any:
    """`data[name]`; raises ConfigError under the dotted `key` if it is missing."""
    if name not in data:
        raise ConfigError("missing value", key=key, file=display_path(file))
    return data[name]


def parse_rigid(value: Any, key: str, file: Path) -> Float[Tensor, "4 4"]:
    """A camera-to-world matrix [4, 4], float64, validated as a rigid transform; its last row may be omitted.

    Raises:
        ConfigError: not 4 x 4 numbers, or not a rotation and a translation.
    """
    try:
        matrix = torch.as_tensor(value, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError, OverflowError):  # text, lists of several lengths, huge numbers
        matrix = torch.empty(0)
    if tuple(matrix.shape) not in ((4, 4), (3, 4)) or not matrix.isfinite().all():
        raise ConfigError("expected 4 rows of 4 finite numbers", key=key, file=display_path(file))
    bottom = torch.tensor([[0, 0, 0, 1]], dtype=torch.float64)
    if len(matrix) == 4 and not torch.allclose(matrix[3:], bottom):
        raise ConfigError(
            f"the last row is {matrix[3].tolist()}",
            key=key,
            file=display_path(file),
            hint="it is 0, 0, 0, 1; transpose?",
        )
    rotation = matrix[:3, :3]
    error = float((rotation.T @ rotation - torch.eye(3).double()).abs().max())
    if error > RIGID_TOLERANCE:
        lengths = ", ".join(f"{length:.4g}" for length in rotation.norm(dim=0).tolist())
        raise ConfigError(
            f"not a rotation: its columns have lengths {lengths}, and products with each other up to "
            f"{float((rotation.T @ rotation).fill_diagonal_(0).abs().max()):.2g}",
            key=key,
            file=display_path(file),
            hint="columns of a pose have length 1 and are perpendicular; take scale and shear out of it",
        )
    if torch.linalg.det(rotation) < 0:
        raise ConfigError(
            "not a rotation but a reflection",
            key=key,
            file=display_path(file),
            hint="negate one axis: x right, y up, z back",
        )
    return torch.cat([matrix[:3], bottom])
