"""Parameter files of MXNet, read without MXNet, and the original Deep3D in them.

A file is a list of arrays and their names: the number 0x112 and a reserved one (8 bytes each), the number of arrays,
the arrays, the number of names, and for each its length and its bytes. An array begins with the version of its format:
0xF993faca (with NumPy's shapes) and 0xF993fac9 with a storage type, 0xF993fac8 without; the oldest begins with its
number of sides instead. Then come the sides, the device (2 x 4 bytes), the type of the numbers and the numbers. All is
little-endian.

Source: MXNet's `src/ndarray/ndarray.cc`, `NDArray::Save` and `NDArray::Load` (versions 0.5 to 1.9).
"""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from maquette.errors import ConfigError

MAGIC = 0x112
VERSION_1, VERSION_2, VERSION_3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
TYPES = (np.float32, np.float64, np.float16, np.uint8, np.int32, np.int8, np.int64)
MOST_SIDES = 32
SUFFIXES = {
    "weight": "weight", "bias": "bias", "gamma": "weight", "beta": "bias",
    "moving_mean": "running_mean", "moving_var": "running_var", "moving_inv_var": "running_var",
}  # fmt: skip
"""Ending of a parameter's name in MXNet -> in torch."""


def is_mxnet(path: Path) -> bool:
    """Whether a file begins as MXNet's parameter files do."""
    with path.open("rb") as file:
        return file.read(8) == struct.pack("<Q", MAGIC)


def read_mxnet(path: Path, key: str = "") -> dict[str, Tensor]:
    """Name -> tensor of a parameter file; names keep their `arg:` and `aux:`.

    Args:
        path: the file.
        key: config key, for messages.

    Raises:
        ConfigError: the file is no parameter file, cut short, or has arrays that are not dense.
    """
    reader = _Reader(path.read_bytes())
    try:
        magic, _ = reader.numbers("<QQ")
        if magic != MAGIC:
            raise ValueError("it does not begin with the number 0x112")
        arrays = [reader.array() for _ in range(reader.count())]
        names = [reader.text() for _ in range(reader.count())]
        if len(names) != len(arrays):
            raise ValueError(f"{len(arrays)} arrays have {len(names)} names")
    except (ValueError, struct.error, UnicodeDecodeError) as problem:
        raise ConfigError(
            f"cannot read {path} as a parameter file of MXNet: {problem}", key=key, hint="download it again"
        ) from problem
    return {name: torch.from_numpy(array) for name, array in zip(names, arrays, strict=True)}


class _Reader:
    """Reads a file's bytes from their beginning on."""

    def __init__(self, data: bytes) -> None:
        self.data, self.place = data, 0

    def numbers(self, form: str) -> tuple[int, ...]:
        values = struct.unpack_from(form, self.data, self.place)
        self.place += struct.calcsize(form)
        return values

    def count(self) -> int:
        """A number of things that follow, each of some bytes."""
        (count,) = self.numbers("<Q")
        if count > len(self.data) - self.place:
            raise ValueError(f"it says that {count} entries follow, and is too short for them")
        return count

    def bytes(self, count: int) -> bytes:
        if count > len(self.data) - self.place:
            raise ValueError("it is cut short")
        self.place += count
        return self.data[self.place - count : self.place]

    def text(self) -> str:
        return self.bytes(self.count()).decode()

    def array(self) -> np.ndarray:
        (version,) = self.numbers("<I")
        if version in (VERSION_2, VERSION_3):
            (storage,) = self.numbers("<i")
            if storage not in (-1, 0):
                raise ValueError("an array of it is sparse")
        versioned = version in (VERSION_1, VERSION_2, VERSION_3)
        sides = self.sides() if versioned else self.numbers(f"<{self.few(version)}I")
        if not sides and version != VERSION_3:  # there it is a single number
            return np.zeros(0, np.float32)
        _, _, kind = self.numbers("<iii")
        if not 0 <= kind < len(TYPES):
            raise ValueError(f"an array has numbers of type {kind}, which is none of MXNet's")
        size = math.prod(sides) * np.dtype(TYPES[kind]).itemsize
        return np.frombuffer(self.bytes(size), TYPES[kind]).reshape(sides).copy()

    def sides(self) -> tuple[int, ...]:
        (count,) = self.numbers("<I")
        return self.numbers(f"<{self.few(count)}q")

    def few(self, count: int) -> int:
        """A number of sides."""
        if count > MOST_SIDES:
            raise ValueError(f"an array has {count} sides")
        return count


def read_original(path: Path, key: str = "") -> dict[str, Tensor]:
    """The parameters of a `MultiScaleNetwork` of the original's sizes, out of its MXNet file.

    The original takes colours in the order blue, green, red; the first convolution is turned round for ours. Its batch
    normalisation by cuDNN 4 names a running value `moving_inv_var`, which ports of it to other frameworks take as a
    variance, and so does this one; the published file was not at hand to check it.

    Args:
        path: the file, such as `deep3d-0050.params`.
        key: config key, for messages.

    Raises:
        ConfigError: the file cannot be read, or a name is not of such a network.
    """
    state = {}
    for name, value in read_mxnet(path, key).items():
        plain = name.rpartition(":")[2]
        ending = next((ending for ending in SUFFIXES if plain.endswith(f"_{ending}")), None)
        if ending is None:
            raise ConfigError(f"{path} has a parameter {name!r}, which is none of Deep3D's", key=key)
        layer = plain.removesuffix(f"_{ending}")
        state[f"{layer}.{SUFFIXES[ending]}"] = value.float()
        if SUFFIXES[ending] == "running_mean":
            state[f"{layer}.num_batches_tracked"] = torch.tensor(0)
    if "conv1_1.weight" in state:
        state["conv1_1.weight"] = state["conv1_1.weight"].flip(1)
    return state
