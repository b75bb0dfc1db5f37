"""The checker of shapes and dtypes that tests put on every function of the framework, see conftest.py."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable
from typing import Any

from beartype import beartype
from jaxtyping import AbstractArray


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """Check arguments and results that are annotated as arrays of some shape; other annotations are mypy's."""
    if not isinstance(function, types.FunctionType):
        return function
    annotations = {name: hint for name, hint in function.__annotations__.items() if _is_array(hint)}
    if not annotations:
        return function
    function.__annotations__ = annotations
    return beartype(function)


def _is_array(hint: Any) -> bool:
    """Whether an annotation is an array, or an array or None."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return any(_is_array(member) for member in typing.get_args(hint))
    return isinstance(hint, type) and issubclass(hint, AbstractArray)


def where_arrays_are(jaxtyped: Callable[..., Any]) -> Callable[..., Any]:
    """The decorator of jaxtyping's import hook, for what has arrays in its annotations; all else stays undecorated.

    jaxtyping itself wraps each function of a module, at some 20 microseconds a call.
    """

    def decorator(*, typechecker: Callable[..., Any]) -> Callable[[Any], Any]:
        decorate = jaxtyped(typechecker=typechecker)
        return lambda target: decorate(target) if _has_arrays(target) else target

    return decorator


def _has_arrays(target: Any) -> bool:
    """Whether a function, or the `__init__` of a dataclass, is annotated with arrays."""
    if isinstance(target, type):
        return dataclasses.is_dataclass(target) and _has_arrays(target.__init__)
    if not isinstance(target, types.FunctionType):
        return True
    return any(_is_array(_resolved(hint, target.__globals__)) for hint in target.__annotations__.values())


def _resolved(hint: Any, names: dict[str, Any]) -> Any:
    """What an annotation stands for; None where a name of it is not there at run time: jaxtyping leaves those, too."""
    try:
        return eval(hint, names) if isinstance(hint, str) else hint
    except Exception:
        return None
