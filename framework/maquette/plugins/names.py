"""Names that several plugins may offer: who offers what, what a name means, and what is said of a name of two."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Generic, TypeVar

from maquette.errors import ConfigError

Value = TypeVar("Value")


class Offers(Generic[Value]):
    """Values of one sort, such as weights, by the names under which plugins offer them.

    Args:
        what: a value's sort, for messages, such as "weights".
        offers: (distribution, name, value) of each.
        taken: names that are not plugins' to give.

    Example:
        >>> offers = Offers("weights", [("acme", "mug", 1), ("bolt", "mug", 2), ("bolt", "cup", 3)])
        >>> offers.listed(), offers.find("acme/mug"), offers.find("pot")
        ({'acme/mug': 1, 'bolt/mug': 2, 'cup': 3}, 1, None)
    """

    def __init__(self, what: str, offers: Iterable[tuple[str, str, Value]], taken: Collection[str] = ()) -> None:
        self._what, self._taken = what, taken
        self._values: dict[str, dict[str, Value]] = {}
        for distribution, name, value in offers:
            self._values.setdefault(name, {})[distribution] = value

    def listed(self) -> dict[str, Value]:
        """Name -> value; a name that is taken, or that several offer, stands as `distribution/name`."""
        values = {}
        for name, by_distribution in self._values.items():
            plain = len(by_distribution) == 1 and name not in self._taken
            values.update({name if plain else f"{source}/{name}": value for source, value in by_distribution.items()})
        return values

    def find(self, name: str) -> Value | None:
        """The value of a name, or of `distribution/name`; None: nobody offers it, or the name is taken.

        Raises:
            ConfigError: several plugins offer the name.
        """
        distribution, _, plain = name.rpartition("/")
        by_distribution = self._values.get(plain, {})
        if distribution:
            return by_distribution.get(distribution)
        if not by_distribution or name in self._taken:
            return None
        if len(by_distribution) > 1:
            names = " or ".join(f"{source}/{name}" for source in by_distribution)
            raise ConfigError(
                f"{self._what} {name!r} is of plugins {' and '.join(by_distribution)}", hint=f"write {names}"
            )
        return next(iter(by_distribution.values()))

    def clashes(self) -> list[str]:
        """One sentence about each name that is taken, or that several offer."""
        sentences = []
        for name, by_distribution in self._values.items():
            names = " or ".join(f"{source}/{name}" for source in by_distribution)
            if name in self._taken:
                sentences.append(
                    f"{self._what} {name!r} of {' and '.join(by_distribution)} is maquette's; write {names}"
                )
            elif len(by_distribution) > 1:
                sentences.append(
                    f"{self._what} {name!r} is offered by plugins {' and '.join(by_distribution)}; say which: {names}"
                )
        return sentences
