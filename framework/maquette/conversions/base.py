"""Which conversions there are, pair by pair, and how one is chosen."""

from __future__ import annotations

from collections.abc import Callable

import torch

from maquette.errors import ConfigError
from maquette.randomness import Draws
from maquette.scene import Scene

Conversion = Callable[[Scene, Scene, Draws], None]
_known: dict[tuple[str, type], Conversion] = {}


def converter(provides: str, target: type) -> Callable[[Conversion], Conversion]:
    """Decorator that registers a conversion from "field", "surface" or "splats" to a geometry class."""

    def decorate(function: Conversion) -> Conversion:
        _known[provides, target] = function
        return function

    return decorate


def convert(source: Scene, target: Scene, draws: Draws) -> None:
    """Give `target` the shape and colours of `source`, and its material and background where they are alike.

    Raises:
        ConfigError: there is no conversion for the pair; names those from the same source.
    """
    pair = (source.geometry.provides, type(target.geometry))
    if pair not in _known:
        reachable = [cls.part_name for provides, cls in _known if provides == pair[0]]  # type: ignore[attr-defined]
        raise ConfigError(
            f"a {pair[0]} cannot become a {target.geometry.part_name}",
            hint=f"a {pair[0]} can become: {', '.join(sorted(reachable)) or 'nothing yet'}",
        )
    for name in ("material", "background"):
        old, new = getattr(source, name), getattr(target, name)
        if type(old) is type(new) and _shapes(old) == _shapes(new):
            new.load_state_dict(old.state_dict())
    _known[pair](source, target, draws)


def _shapes(module: torch.nn.Module) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in module.state_dict().items()}
