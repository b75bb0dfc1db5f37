"""Checks of the reference pictures of novel-view priors."""

from __future__ import annotations

from collections.abc import Sequence

from maquette.data.base import Reference
from maquette.errors import ConfigError


def check_references(references: Sequence[Reference]) -> None:
    """Check the reference pictures of a novel-view prior.

    Raises:
        ConfigError: there is no reference, or one that is not square.
    """
    if not references:
        raise ConfigError(
            "this prior continues a picture, and there is none", key="prior.type",
            hint="give the stage data: {type: image, path: PICTURE.png}, or name pictures in data.references",
        )  # fmt: skip
    for reference in references:
        height, width = reference.picture.size
        if height != width:
            raise ConfigError(f"a reference is square, not {width} x {height} pixels", key="data")


def only_reference(references: Sequence[Reference]) -> Reference:
    """The one reference picture of a prior that continues a single one.

    Raises:
        ConfigError: there is none, or more than one, or it is not square.
    """
    check_references(references)
    if len(references) > 1:
        raise ConfigError(f"this prior continues one picture, not {len(references)}", key="data.references")
    return references[0]
