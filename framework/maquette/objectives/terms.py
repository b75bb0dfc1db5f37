"""The loss terms of a step, and the values it logs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from torch import Tensor


@dataclass
class Terms:
    """The named loss terms of a step (differentiable scalars), and named plain numbers for the log.

    Args:
        losses: name -> scalar tensor; already weighted; summed before `backward`.
        logs: name -> float; written to `metrics.jsonl`, never differentiated.
        auxiliary: name -> scalar tensor; losses of networks that are trained together with the scene; never weighted.
    """

    losses: dict[str, Tensor] = field(default_factory=dict)
    logs: dict[str, float] = field(default_factory=dict)
    auxiliary: dict[str, Tensor] = field(default_factory=dict)

    def add(self, other: Terms, weight: float = 1.0, prefix: str = "") -> None:
        """Add `other`'s terms, each loss times `weight`, each name with `prefix`."""
        for name, loss in other.losses.items():
            self.losses[prefix + name] = loss * weight
        self.auxiliary.update({prefix + name: loss for name, loss in other.auxiliary.items()})
        self.logs.update({prefix + name: value for name, value in other.logs.items()})

    def total(self) -> Tensor:
        """The sum of all losses, on the device of the first. Raises ValueError when there is none."""
        if not self.losses:
            raise ValueError("no loss term: the stage names neither guidance nor losses")
        terms: Iterator[Tensor] = iter([*self.losses.values(), *self.auxiliary.values()])
        total = next(terms)
        for term in terms:
            total = total + term.to(total.device)
        return total

    def detached(self) -> Terms:
        """The same numbers without the graph behind them, which may so be freed."""
        losses = {name: loss.detach() for name, loss in self.losses.items()}
        return Terms(losses, self.logs, {name: loss.detach() for name, loss in self.auxiliary.items()})

    def values(self) -> Mapping[str, float]:
        """Every loss as a plain number under `loss/<name>`, and the logs."""
        losses = {**self.losses, **self.auxiliary}
        return {**{f"loss/{name}": float(loss.detach()) for name, loss in losses.items()}, **self.logs}
