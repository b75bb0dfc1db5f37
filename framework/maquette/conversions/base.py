"""The registry of conversions, by source form and target class, and the function that applies one."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable

import torch

from maquette import plugins
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
    same_field = _same_field(source, target)
    conversion = None if same_field else _conversion(source, target)
    for name in ("material", "background"):
        old, new = getattr(source, name), getattr(target, name)
        if type(old) is type(new) and _shapes(old) == _shapes(new):
            new.load_state_dict(old.state_dict())
    if conversion is None:
        target.geometry.load_state_dict(source.geometry.state_dict())
    else:
        try:
            conversion(source, target, draws)
        except EmptySurface as problem:
            _log.warning("there is nothing to go on from, so the stage starts with its initial shape: %s", problem)


def _conversion(source: Scene, target: Scene) -> Conversion:
    """The conversion of a pair: maquette's own, or a plugin's."""
    form, cls, name = source.geometry.form, type(target.geometry), target.geometry.part_name
    if (form, cls) in _conversions:
        return _conversions[form, cls]
    offers = plugins.conversions()
    owners = [owner for owner, _ in offers.get((form, name), ())]
    if len(owners) > 1:
        hint = f"choose one: {plugins.VARIABLE}=only:{owners[0]}"
        raise ConfigError(f"plugins {' and '.join(owners)} both convert a {form} to a {name}", hint=hint)
    if owners:
        module, _, function = offers[form, name][0][1].partition(":")
        return getattr(importlib.import_module(module), function)
    own = {other.part_name for source_form, other in _conversions if source_form == form}  # type: ignore[attr-defined]
    reachable = own | {other for source_form, other in offers if source_form == form}
    raise ConfigError(
        f"a {form} cannot become a {name}",
        hint=f"a {form} can become: {', '.join(sorted(reachable)) or 'nothing yet'}; "
        "or go on as it is, with the same settings and material",
    )


def _same_field(source: Scene, target: Scene) -> bool:
    """Whether both are fields of one class and config under materials of one class, so that weights can be copied."""
    old, new = source.geometry, target.geometry
    alike = type(old) is type(new) and type(source.material) is type(target.material)
    return alike and old.form == "field" and old.config == new.config


def _shapes(module: torch.nn.Module) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in module.state_dict().items()}
