"""The checker of shapes and dtypes that tests put on every function of the framework, see conftest.py."""

from __future__ import annotations

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
