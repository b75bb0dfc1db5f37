"""Kind of part -> how its parts are checked."""

from __future__ import annotations

import importlib

from maquette.registry import KINDS
from maquette.testing.trial import Procedure

PLACES = {
    "cameras": "appearance", "material": "appearance", "background": "appearance", "renderer": "appearance",
    "geometry": "shapes", "densification": "shapes",
    "schedule": "levels", "noise": "levels", "timesteps": "levels",
    "prior": "guidance", "score": "guidance", "objective": "guidance", "loss": "loss_terms",
    "data": "sources", "dataset": "sources", "matting": "sources", "generator": "sources", "truth": "sources",
    "callback": "loops", "stop": "loops",
    "stereo": "sources",
    "exporter": "results", "metric": "results", "stage": "results", "learner": "results",
}  # fmt: skip
"""Kind -> module of this package with its procedure, under the kind's name in capitals."""
assert set(PLACES) <= set(KINDS)


def procedure(kind: str) -> Procedure:
    """How the parts of a kind are checked.

    Raises:
        KeyError: there is no such kind.
    """
    module = importlib.import_module(f"maquette.testing.{PLACES[kind]}")
    rules: Procedure = getattr(module, kind.upper())
    return rules
