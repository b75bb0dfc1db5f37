"""Which parts go together, from the table that `python -m maquette.stages.fits` writes; imports no part."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

TABLE = Path(__file__).with_suffix(".json")


@cache
def _table() -> dict[str, dict[str, dict[str, list[str]]]]:
    return json.loads(TABLE.read_text(encoding="utf-8"))


def fitting_parts(kind: str, name: str) -> Mapping[str, list[str]] | None:
    """Kind -> names of the parts that go together with this one at default settings.

    Returns:
        Empty: it goes with all; None: the table does not have the part, which is a plugin's.

    Example:
        >>> fitting_parts("geometry", "gaussians")["renderer"]
        ['splat']
    """
    return _table().get(kind, {}).get(name)
