"""Schedules of numbers over training: constant, piecewise linear, or eased from one value to another.

How a schedule gets from one value to the next is a part of the kind `schedule`, a file of this package or of a plugin.
"""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Annotated, Any, Protocol, runtime_checkable

from maquette import registry
from maquette.annotations import Range
from maquette.config.schedules.base import ScheduleShape

LINEAR = "linear"
"""Type of a schedule that names none."""
FIELDS = ("type", "from", "to", "start", "end")
Position = int | str
HINT = "write a number, [[0, 1.0], [5000, 0.1]], or {type: cosine, from: 1.0, to: 0.1, start: 0, end: 100%}"


@runtime_checkable
class StepOfTotal(Protocol):
    """One step of a stage, such as a `maquette.randomness.Moment`; this protocol avoids the import of torch."""

    @property
    def step(self) -> int: ...

    @property
    def total(self) -> int: ...


Configure = Callable[[str, Mapping[str, Any]], Any]
"""Type and settings of a shape -> its options."""


@dataclass(frozen=True)
class Schedule:
    """A number as a function of the training step, constant outside its first and last points.

    Args:
        points: (position, value) pairs in order; a position is a step, or text such as "50%" of the stage's steps.
        easing: name of the part of the kind `schedule` that leads from one point to the next.
        options: an instance of that part's Config; None: its defaults.

    Example:
        >>> Schedule.parse([[0, 1.0], [100, 0.0]])(50, total=200)
        0.5
    """

    points: tuple[tuple[Position, float], ...]
    easing: str = LINEAR
    options: Any = None

    @classmethod
    def constant(cls, value: float) -> Schedule:
        """The same value at every step."""
        return cls(((0, float(value)),))

    @classmethod
    def parse(cls, value: Any, configure: Configure | None = None) -> Schedule:
        """Parse a schedule from its YAML form. Raises ValueError on a malformed one.

        Args:
            value: a number, points [step, value], or a mapping with `from` and `to`.
            configure: makes the options of a shape from its type and settings; None: they are not checked.
        """
        if isinstance(value, Schedule):
            return value
        if _is_number(value):
            return cls.constant(_finite(value))
        if isinstance(value, list):
            return cls(tuple(_points(value)))
        if isinstance(value, dict):
            return cls._from_mapping(value, configure or _configure)
        raise ValueError(f"expected a number or a schedule, got {value!r}; {HINT}")

    @classmethod
    def _from_mapping(cls, value: dict[str, Any], configure: Configure) -> Schedule:
        if "from" not in value or "to" not in value:
            raise ValueError(f"a schedule mapping needs 'from' and 'to'; {HINT}")
        easing = value.get("type", LINEAR)
        options = configure(easing, {key: item for key, item in value.items() if key not in FIELDS})
        points = _points([[value.get("start", 0), value["from"]], [value.get("end", "100%"), value["to"]]])
        schedule = cls(tuple(points), easing, options)
        if not isinstance(options, Mapping):  # those of a local part that is not imported
            schedule.shape.check_ends(points[0][1], points[1][1])
        return schedule

    @cached_property
    def shape(self) -> ScheduleShape:
        """What leads from one point to the next.

        Raises:
            UnknownPartError: there is no such part.
            PluginError: it is a local part, which is not imported here.
        """
        cls = registry.get("schedule", self.easing)
        shape: ScheduleShape = cls(self.options if self.options is not None else cls.Config())
        return shape

    def __call__(self, step: int, total: int) -> float:
        """The value at `step` of a stage of `total` steps."""
        points = [(_absolute(position, total), value) for position, value in self.points]
        if step <= points[0][0]:
            return points[0][1]
        for (start, low), (end, high) in pairwise(points):
            if step < end:
                return self.shape.between(low, high, self.shape((step - start) / (end - start)))
        return points[-1][1]

    def at(self, moment: StepOfTotal) -> float:
        """The value at a step."""
        return self(moment.step, moment.total)

    def check_order(self, total: int) -> None:
        """Check that the positions increase in a stage of `total` steps, where steps and percentages are mixed.

        Raises:
            ValueError: naming the first two that do not.
        """
        for (a, _), (b, _) in pairwise(self.points):
            if isinstance(a, str) != isinstance(b, str) and _absolute(a, total) >= _absolute(b, total):
                raise ValueError(
                    f"the steps of a schedule must increase, but of {total} steps {b} does not come after {a}; "
                    "give both in steps, or both in percent"
                )

    def to_plain(self) -> Any:
        """The YAML form that `parse` reads back."""
        if len(self.points) == 1:
            return self.points[0][1]
        if self.easing == LINEAR:
            return [list(point) for point in self.points]
        (start, low), (end, high) = self.points
        options = self.options or {}
        if not isinstance(options, Mapping):
            options = {field.name: getattr(options, field.name) for field in dataclasses.fields(options)}
        return {"type": self.easing, "from": low, "to": high, "start": start, "end": end, **options}


CountSchedule = Annotated[Schedule, Range(1)]
PixelSchedule = Annotated[Schedule, Range(1, 16_384)]
NonNegativeSchedule = Annotated[Schedule, Range(0)]
FractionSchedule = Annotated[Schedule, Range(0, 1)]


def check_settings(easing: str, settings: Mapping[str, Any]) -> None:
    """Check the type of a schedule and the names of its settings; of a local part that is not imported, nothing.

    Raises:
        ValueError: there is no such shape, or it has no such setting.
    """
    declared = registry.declaration("schedule", str(easing))
    if declared is not None and declared.load is None:
        return
    try:
        names = [field.name for field in dataclasses.fields(registry.get("schedule", str(easing)).Config)]
    except registry.UnknownPartError as problem:
        raise ValueError(f"unknown schedule type {easing!r}; {problem.hint}") from None
    unknown = [name for name in settings if name not in names]
    if unknown:
        raise ValueError(f"unknown schedule key {unknown[0]!r}; known: {', '.join((*FIELDS, *names))}; {HINT}")


def _configure(easing: str, settings: Mapping[str, Any]) -> Any:
    check_settings(easing, settings)
    return registry.get("schedule", easing).Config(**settings)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _finite(value: Any) -> float:
    if not _is_number(value) or abs(value) > sys.float_info.max or not math.isfinite(value):
        raise ValueError(f"expected a finite number, got {value!r}; {HINT}")
    return float(value)


def _points(items: list[Any]) -> list[tuple[Position, float]]:
    points = []
    for item in items:
        if not isinstance(item, (list, tuple)) or len(item) != 2:
            raise ValueError(f"each point of a schedule is [step, value], got {item!r}; {HINT}")
        position, value = item
        if not (isinstance(position, int) and not isinstance(position, bool) and 0 <= position <= 2**64) and not (
            isinstance(position, str) and position.endswith("%") and _is_percent(position)
        ):
            raise ValueError(f"a schedule's step is a whole number or a text like '50%', got {position!r}")
        points.append((position, _finite(value)))
    if not points:
        raise ValueError(f"an empty schedule; {HINT}")
    for (a, _), (b, _) in pairwise(points):
        mixed = isinstance(a, str) != isinstance(b, str)
        never = (isinstance(a, str) and _absolute(a, 1) == 1) or (isinstance(b, str) and _absolute(b, 1) == 0)
        if never if mixed else _absolute(a, 10**6) >= _absolute(b, 10**6):
            raise ValueError(f"the steps of a schedule must increase, but {a} is followed by {b}")
    return points


def _is_percent(text: str) -> bool:
    try:
        return 0 <= float(text[:-1]) <= 100
    except ValueError:
        return False


def _absolute(position: Position, total: int) -> float:
    return float(position[:-1]) / 100 * total if isinstance(position, str) else float(position)
