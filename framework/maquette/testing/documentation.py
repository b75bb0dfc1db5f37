"""What a reader finds in a part's source: a first line, shapes in signatures, a comment for every setting."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from typing import Any

from maquette.config.descriptions import field_docs, held_part
from maquette.config.parts import field_types
from maquette.errors import ConfigError
from maquette.testing.trial import Fault, Skip, Trial

KNOWN = ("weight", "_deg", "dtype", "device")  # ends of names of settings that need no comment


def check_documented(trial: Trial) -> None:
    """The docstring's first line is a sentence, tensors have shapes, and each setting has a comment."""
    first = (vars(trial.cls).get("__doc__") or "").strip().split("\n")[0]
    if len(first.split()) < 3 or first[-1] not in ".:;,":
        raise Fault(f"the docstring's first line is no sentence that says what the part is: {first!r}")
    for name, member in vars(trial.cls).items():
        if inspect.isfunction(member) and (not name.startswith("_") or name == "__call__"):
            _check_shapes(name, member)
    try:
        documented = field_docs(trial.cls.Config)
    except ConfigError:
        raise Skip("the source of its Config cannot be read") from None
    undocumented = [name for name in _own_settings(trial.cls.Config) if name not in documented]
    if undocumented:
        raise Fault(f"settings of Config without a comment that says what they are: {', '.join(undocumented)}")


def _check_shapes(name: str, function: Any) -> None:
    for parameter in inspect.signature(function).parameters.values():
        annotation = parameter.annotation
        text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
        if text in ("Tensor", "torch.Tensor"):
            raise Fault(f'{name}({parameter.name}: Tensor) has no shape; write Float[Tensor, "B H W 3"]')


def _own_settings(config: Any) -> list[str]:
    """Names of the settings that need a comment: all but parts, and what every part of the kind has."""
    types = field_types(config)
    fields = [entry.name for entry in dataclasses.fields(config) if not entry.name.endswith(KNOWN) and entry.init]
    return [name for name in fields if not _explains_itself(types[name])]


def _explains_itself(annotation: Any) -> bool:
    """Whether a type has a documentation of its own: a part, or a dataclass of settings."""
    inner = (annotation, *typing.get_args(annotation))
    return any(map(dataclasses.is_dataclass, inner)) or bool(held_part(annotation))
