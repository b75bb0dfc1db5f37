"""How much time a viewer may take from a run, and the size of the pictures that this pays for."""

from __future__ import annotations

FRACTION = 0.06  # of the time of the steps, for all that a viewer does in the thread of the loop
REFRESH_SECONDS = 6.0  # of steps, after which a picture at rest may be paid for; what is earned beyond is forgotten
HEIGHTS = (48, 64, 96, 128, 192, 256, 384, 512)  # of pictures, pixels
RECENT = 0.5  # weight of the latest picture in the estimate of what one costs


class Budget:
    """Seconds earned by steps and spent on pictures.

    Nothing is drawn on credit: what a picture takes beyond its estimate is a debt that steps pay off first.

    Example:
        >>> budget = Budget(fraction=0.1)
        >>> budget.earn(2.0)
        >>> budget.spend(0.15)
        >>> round(budget.left, 3)
        0.05
    """

    def __init__(self, fraction: float = FRACTION) -> None:
        self.fraction, self.left = fraction, 0.0

    def earn(self, step_seconds: float) -> None:
        """Add the fraction of a step."""
        self.left = min(self.left + self.fraction * step_seconds, self.fraction * REFRESH_SECONDS)

    def spend(self, seconds: float) -> None:
        """Subtract what was taken."""
        self.left -= seconds


class PictureCost:
    """Estimates the seconds of a picture by its pixels, from the pictures so far."""

    def __init__(self) -> None:
        self._seconds: dict[int, float] = {}

    def record(self, pixels: int, seconds: float) -> None:
        """Learn from a picture."""
        before = self._seconds.get(pixels, seconds)
        self._seconds[pixels] = (1 - RECENT) * before + RECENT * seconds

    def estimate(self, pixels: int) -> float:
        """Seconds of a picture: those of the nearest size, in proportion for a larger one; 0 before the first."""
        if not self._seconds:
            return 0.0
        nearest = min(self._seconds, key=lambda size: abs(size - pixels))
        return self._seconds[nearest] * max(1.0, pixels / nearest)

    def largest_height(self, seconds: float, aspect: float) -> int | None:
        """The largest of `HEIGHTS` whose picture takes at most these seconds; None: none does. The first is small."""
        if not self._seconds:
            return HEIGHTS[0]
        fitting = [height for height in HEIGHTS if self.estimate(pixels(height, aspect)) <= seconds]
        return fitting[-1] if fitting else None


def pixels(height: int, aspect: float) -> int:
    """Pixels of a picture of this height."""
    return height * max(1, round(height * aspect))
