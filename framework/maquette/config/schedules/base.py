"""The contract of the shape of a schedule."""

from __future__ import annotations

from abc import ABC, abstractmethod


class ScheduleShape(ABC):
    """A part of the kind `schedule`: how a number gets from one value to another, `{type: NAME, from: 1.0, to: 0.1}`.

    It is a function of the progress alone, and imports no torch: schedules are read before anything heavy is.
    """

    @abstractmethod
    def __call__(self, progress: float) -> float:
        """The weight of the last value, in [0, 1]; 0 at the start.

        Args:
            progress: share of the steps between start and end that are done, in [0, 1); the last value follows.
        """

    def between(self, first: float, last: float, weight: float) -> float:
        """The value between `first` and `last` at a weight, which never leaves the two."""
        return first + (last - first) * weight

    def check_ends(self, first: float, last: float) -> None:  # noqa: B027, most shapes take any numbers
        """Check the two values of a schedule. Raises ValueError for those that the shape cannot join."""
