"""The contract of a metric."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from maquette.export.base import Subject

Direction = Literal["higher", "lower"]
"""Which values of a measure are better."""


@dataclass(frozen=True)
class Case:
    """One task of a suite.

    Args:
        prompt: of the scene.
        labels: ground truth, e.g. {"category": "mug", "colour": "red"}.
    """

    prompt: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Measurement:
    """The result of a metric for one scene.

    Args:
        values: numbers to average over the suite; fractions are in [0, 1].
        facts: details as plain data.
    """

    values: Mapping[str, float]
    facts: Mapping[str, Any] = field(default_factory=dict)


class Metric(ABC):
    """A part of the kind `metric`: built once from its Config, called for each finished scene."""

    @abstractmethod
    def directions(self) -> Mapping[str, Direction]:
        """Name of each value that it measures -> whether higher or lower values are better."""

    @abstractmethod
    def __call__(self, subject: Subject, case: Case) -> Measurement:
        """Measure one scene against its case."""
