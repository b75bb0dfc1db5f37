"""Annotations of the fields of a Config: the legal range of a number, and what kind of path a text is.

A field is declared with one of the names below, such as `distance: Positive = 3.0`. Loading a config checks the range
and resolves the path, and `maquette show` prints the range.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal


@dataclass(frozen=True)
class Range:
    """The legal values of a number, or of every number of a schedule.

    Args:
        low, high: ends of the range.
        open: whether the ends are left out.

    Example:
        >>> str(Range(0, 180, open=True)), str(Range(1)), Range(0, 1).contains(1)
        ('between 0 and 180', 'at least 1', True)
    """

    low: float = -math.inf
    high: float = math.inf
    open: bool = False

    def contains(self, value: float) -> bool:
        """Whether a number is legal; "not a number" never is."""
        return self.low < value < self.high if self.open else self.low <= value <= self.high

    def __str__(self) -> str:
        low, high = (str(end) if isinstance(end, int) else f"{end:g}" for end in (self.low, self.high))
        if math.isinf(self.high):
            return f"above {low}" if self.open else f"at least {low}"
        if math.isinf(self.low):
            return f"below {high}" if self.open else f"at most {high}"
        return f"between {low} and {high}" if self.open else f"from {low} to {high}"


@dataclass(frozen=True)
class PathKind:
    """What a text names.

    Args:
        kind: an input file or folder; weights, which may be a name instead; or a folder for results.
        words: texts that are no paths, such as "auto".
        numbers: whether whole numbers are no paths.
    """

    kind: Literal["input", "weights", "output"]
    words: tuple[str, ...] = ()
    numbers: bool = False

    def is_path(self, text: str) -> bool:
        """Whether a text is a path, and no word or number.

        Example:
            >>> [PathKind("input", numbers=True).is_path(text) for text in ("7", "dusk.png", "")]
            [False, True, False]
        """
        return bool(text) and text not in self.words and not (self.numbers and text.isdecimal())


Seed = Annotated[int, Range(0, 2**63 - 1)]
Count = Annotated[int, Range(1)]
CountOrNone = Annotated[int, Range(0)]
Pixels = Annotated[int, Range(1, 16_384)]  # side of a picture
Samples = Annotated[int, Range(2, 4096)]  # along a side of a grid
Channels = Annotated[int, Range(1, 65_536)]  # or hidden units

Positive = Annotated[float, Range(0, open=True)]
NonNegative = Annotated[float, Range(0)]
Fraction = Annotated[float, Range(0, 1)]
OpenFraction = Annotated[float, Range(0, 1, open=True)]
ElevationDeg = Annotated[float, Range(-90, 90)]
FovDeg = Annotated[float, Range(0, 180, open=True)]  # an angle of view
HalfTurnDeg = Annotated[float, Range(0, 180)]

InputPath = Annotated[str, PathKind("input")]
WeightsPath = Annotated[str, PathKind("weights")]
OutputPath = Annotated[str, PathKind("output")]
NumberOrPath = Annotated[str, PathKind("input", numbers=True)]  # of what may be drawn by its number, or read
