"""The registry of conversions, by source form and target class, and the function that applies one."""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch

from maquette.errors import ConfigError
from maquette.meshes.mesh import EmptySurface
from maquette.randomness import Draws
from maquette.scene import Scene

_log = logging.getLogger(__name__)

Conversion = Callable[[Scene, Scene, Draws], None]
_conversions: dict[tuple[str, type], Conversion] = {}


def converter(form: str, target: type) -> Callable[[Conversion], Conversion]:
    """Decorator that registers a conversion from "field", "surface" or "splats" to a geometry class."""

    def decorate(function: Conversion) -> Conversion:
        _conversions[form, target] = function
        return function

    return decorate


def convert(source: Scene, target: Scene, draws: Draws) -> None:
    """Give `target` the shape and colours of `source`, and its material and background where class and shapes agree.

    A field of the same class and config as the source's, under the same class of material, gets the source's weights.
    Where the source has no surface, a warning says so, and the target keeps its initial shape.

    Raises:
        ConfigError: there is no conversion for the pair; names those from the same source.
    """
    pair = (source.geometry.form, type(target.geometry))
    same_field = _same_field(source, target)
    if pair not in _conversions and not same_field:
        reachable = [cls.part_name for form, cls in _conversions if form == pair[0]]  # type: ignore[attr-defined]
        raise ConfigError(
            f"a {pair[0]} cannot become a {target.geometry.part_name}",
            hint=f"a {pair[0]} can become: {', '.join(sorted(reachable)) or 'nothing yet'}; "
            "or go on as it is, with the same settings and material",
        )
    for name in ("material", "background"):
        old, new = getattr(source, name), getattr(target, name)
        if type(old) is type(new) and _shapes(old) == _shapes(new):
            new.load_state_dict(old.state_dict())
    if same_field:
        target.geometry.load_state_dict(source.geometry.state_dict())
    else:
        try:
            _conversions[pair](source, target, draws)
        except EmptySurface as problem:
            _log.warning("there is nothing to go on from, so the stage starts with its initial shape: %s", problem)


def _same_field(source: Scene, target: Scene) -> bool:
    """Whether both are fields of one class and config under materials of one class, so that weights can be copied."""
    old, new = source.geometry, target.geometry
    alike = type(old) is type(new) and type(source.material) is type(target.material)
    return alike and old.form == "field" and old.config == new.config


def _shapes(module: torch.nn.Module) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in module.state_dict().items()}
