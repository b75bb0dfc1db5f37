"""What a reader finds in a part's source: a first line, shapes in signatures, a comment for every setting."""

from __future__ import annotations

import dataclasses
import inspect
import io
import re
import tokenize
import typing
from typing import Any

from maquette.config.parts import PartOf, field_types
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
    undocumented = [name for name in _own_settings(trial.cls.Config) if name not in comments(trial.cls.Config)]
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
    return any(map(dataclasses.is_dataclass, inner)) or any(isinstance(mark, PartOf) for mark in _marks(annotation))


def _marks(annotation: Any) -> tuple[Any, ...]:
    inner = [mark for argument in typing.get_args(annotation) for mark in _marks(argument)]
    return (*getattr(annotation, "__metadata__", ()), *inner)


def comments(config: Any) -> dict[str, str]:
    """Setting -> comment beside or above its line, or its line in the docstring's Args, of a Config and its bases."""
    notes: dict[str, str] = {}
    for base in reversed(config.__mro__[:-1]):
        try:
            source = inspect.cleandoc("\n" + inspect.getsource(base))
        except (OSError, TypeError):
            raise Skip("the source of its Config cannot be read") from None
        notes |= _comments_in(source)
        notes |= dict(re.findall(r"^\s*(\w+): (.+)$", base.__doc__ or "", re.MULTILINE))
    return notes


def _comments_in(source: str) -> dict[str, str]:
    notes, name, above = {}, "", ""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            note = token.string.lstrip("# ")
            if name:
                notes[name] = note
            above = note
        elif token.type == tokenize.NEWLINE:
            name, above = "", ""
        elif token.type == tokenize.NAME and not name and re.match(rf"\s*{token.string}\s*:", token.line):
            name = token.string
            if above:
                notes[name] = above
    return notes
