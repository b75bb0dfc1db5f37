"""The result of checking a part: what ran, what was skipped and why, and whether the part conforms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True)
class Outcome:
    """What one check said.

    Args:
        check: its name.
        status: "passed", "failed" or "skipped".
        detail: what is wrong, or why it was skipped; empty where it passed.
    """

    check: str
    status: Status
    detail: str = ""


@dataclass(frozen=True)
class Report:
    """The outcomes of all checks of one part.

    Args:
        kind, name: of the part.
        outcomes: in the order of the checks.
        minimum: number of checks that must have run; a part that skips more does not conform.

    Example:
        >>> report = Report("loss", "mine", (Outcome("works", "passed"), Outcome("nan", "skipped", "no input")), 1)
        >>> report.passed, report.ran
        (True, 1)
    """

    kind: str
    name: str
    outcomes: tuple[Outcome, ...]
    minimum: int

    @property
    def ran(self) -> int:
        """Number of checks that ran."""
        return sum(outcome.status != "skipped" for outcome in self.outcomes)

    @property
    def failures(self) -> dict[str, str]:
        """Check -> what is wrong, of every check that failed, and of too few that ran."""
        failures = {outcome.check: outcome.detail for outcome in self.outcomes if outcome.status == "failed"}
        if not failures and self.ran < self.minimum:
            failures["minimum"] = f"{self.ran} checks ran, and a {self.kind} has to pass {self.minimum} at least"
        return failures

    @property
    def passed(self) -> bool:
        """Whether no check failed and enough of them ran."""
        return not self.failures

    def require(self) -> None:
        """Raise AssertionError with the table if the part does not conform."""
        if not self.passed:
            raise AssertionError(f"\n{self}")

    def __str__(self) -> str:
        width = max([len(outcome.check) for outcome in self.outcomes], default=0)
        lines = [f"{o.check:<{width}}  {o.status:<7}  {o.detail}".rstrip() for o in self.outcomes]
        if "minimum" in self.failures:
            lines.append(f"{'minimum':<{width}}  failed   {self.failures['minimum']}")
        verdict = "conforms" if self.passed else "does not conform"
        counts = f"{self.ran} of {len(self.outcomes)} checks ran, {len(self.failures)} failed"
        return "\n".join([f"{self.kind} {self.name}", *(f"  {line}" for line in lines), f"  {verdict}: {counts}"])
