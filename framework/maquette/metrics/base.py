"""The contract of a metric."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from maquette.export.base import Subject


@dataclass(frozen=True)
class Case:
    """One task of a suite.

    Args:
        prompt: what was asked for.
        labels: what is known about the right answer, e.g. {"category": "mug", "colour": "red"}.
    """

    prompt: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Measurement:
    """What a metric found in one scene.

    Args:
        values: numbers to average over the suite; fractions are in [0, 1].
        facts: whatever helps to understand them, as plain data.
    """

    values: Mapping[str, float]
    facts: Mapping[str, Any] = field(default_factory=dict)


class Metric(ABC):
    """A part of the kind `metric`: made once from its Config, called for each finished scene."""

    @abstractmethod
    def __call__(self, subject: Subject, case: Case) -> Measurement:
        """Measure one scene against its case."""
