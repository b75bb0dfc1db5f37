"""A part on trial: how the parts of a kind are built and used, and what the checks share."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor


class Skip(Exception):
    """A check does not apply; its text says why."""


class Fault(Exception):
    """A part does not do what a check asks; its text says what is wrong."""


@dataclass(frozen=True)
class Output:
    """A value that came out of a part, and what the contract says about it.

    Args:
        name: for messages.
        value: a tensor, an array, plain data, or a dataclass of these.
        shape: of the tensor; None: any.
        low, high: range of its numbers; None: any finite number.
    """

    name: str
    value: Any
    shape: tuple[int, ...] | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Situation:
    """The circumstances under which a part is used.

    Args:
        batch: number of pictures, points, cameras ...
        seed: of all inputs, and of the draws that the part receives.
        spoiled: whether inputs hold "not a number".
        device: where the part and its inputs are.
    """

    batch: int = 2
    seed: int = 0
    spoiled: bool = False
    device: str = "cpu"


@dataclass(frozen=True)
class Slope:
    """A differentiable number that depends on a tensor.

    Args:
        name: of the tensor, for messages.
        leaf: a tensor that requires a gradient and is changed in place.
        function: computes the number anew.
    """

    name: str
    leaf: Tensor
    function: Callable[[], Tensor]


@dataclass(frozen=True)
class Check:
    """One thing that is asked of a part.

    Args:
        name: one word or two.
        fact: what holds of a part that passes.
        run: raises `Fault` or `Skip`; any other exception is a failure too.
    """

    name: str
    fact: str
    run: Callable[[Trial], None]


@dataclass(frozen=True)
class Procedure:
    """How the parts of a kind are checked.

    Args:
        use: uses a built part once, and returns all that came out.
        minimum: number of checks that must run.
        build: makes the part of a trial.
        checks: what is asked of this kind alone.
        slopes: differentiable numbers of a part, with inputs of a dtype; None: a part of this kind has no gradient.
        train: advances a part as a step of training does, for the check of saved state.
        skips: general check -> reason why it does not apply to this kind.
    """

    use: Callable[[Trial, Any, Situation], list[Output]]
    minimum: int
    build: Callable[[Trial], Any] = lambda trial: trial.cls(trial.config)
    checks: tuple[Check, ...] = ()
    slopes: Callable[[Trial, Any, torch.dtype], list[Slope]] | None = None
    train: Callable[[Trial, Any], None] = lambda trial, part: None
    skips: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Trial:
    """One part with its config, to be built and used by the checks.

    Args:
        kind, name: keys of the part.
        cls: its class.
        config: an instance of `cls.Config`.
        procedure: of its kind.
        folder: an empty folder for files.
        settings: the plain form of the config.
    """

    kind: str
    name: str
    cls: Any
    config: Any
    procedure: Procedure
    folder: Path
    settings: Mapping[str, Any]

    def build(self) -> Any:
        """A new part, whose networks are initialised as a stage does it: from a seeded global generator."""
        with seeded():
            return self.procedure.build(self)

    def use(self, part: Any, situation: Situation | None = None) -> list[Output]:
        """Use a part once, by default in the usual situation."""
        return self.procedure.use(self, part, situation or Situation())

    def fresh(self, situation: Situation | None = None) -> list[Output]:
        """Build a new part and use it once."""
        return self.use(self.build(), situation)

    @property
    def capabilities(self) -> Any:
        """What the configured part needs and gives."""
        return self.cls.capabilities(self.config)


@contextmanager
def seeded() -> Iterator[None]:
    """A context in which torch's global generator begins anew, and after which it is as it was before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted name and value of every tensor, array, text, number and bytes within a value."""
    if isinstance(value, Output):
        yield from leaves(value.value, value.name)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from leaves(item, f"{name}.{key}".lstrip("."))
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from leaves(item, item.name if isinstance(item, Output) else f"{name}.{index}".lstrip("."))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for entry in dataclasses.fields(value):
            yield from leaves(getattr(value, entry.name), f"{name}.{entry.name}".lstrip("."))
    else:
        yield name, value


def tensors(values: Any) -> Iterator[tuple[str, Tensor]]:
    """Every tensor within a value that holds numbers; arrays as tensors."""
    for name, value in leaves(values):
        if isinstance(value, np.ndarray):
            yield name, torch.from_numpy(np.ascontiguousarray(value))
        elif isinstance(value, Tensor) and not value.is_meta:
            yield name, value


def difference(one: Sequence[Output], other: Sequence[Output], tolerance: float = 0.0) -> str:
    """What differs first between two uses; empty if nothing does."""
    first, second = dict(leaves(list(one))), dict(leaves(list(other)))
    if list(first) != list(second):
        return f"values: {', '.join(sorted({*first} ^ {*second})) or 'their order'}"
    for name, a in first.items():
        if not equal(a, second[name], tolerance):
            return name
    return ""


def equal(a: Any, b: Any, tolerance: float = 0.0) -> bool:
    """Whether two values are the same; numbers up to a tolerance, and "not a number" equals itself."""
    if isinstance(a, (Tensor, np.ndarray)) and isinstance(b, (Tensor, np.ndarray)):
        a, b = torch.as_tensor(a).detach(), torch.as_tensor(b).detach()
        if a.shape != b.shape or a.dtype != b.dtype or a.is_meta or b.is_meta:
            return a.shape == b.shape and a.dtype == b.dtype
        if not a.is_floating_point():
            return bool(torch.equal(a, b))
        return bool(torch.allclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True))
    if isinstance(a, float) and isinstance(b, float):
        return a == b or abs(a - b) <= tolerance * max(1.0, abs(a)) or (a != a and b != b)
    return bool(a == b)
