"""The file in a run folder with all that was measured of the run."""

from __future__ import annotations

import json
from typing import Any

from maquette.training.run_folder import RunFolder

MEASURES_FILE = "measures.json"


def read_measures(run: RunFolder) -> dict[str, dict[str, Any]]:
    """All that was measured of a run, by metric; empty if nothing was, or the file is broken."""
    try:
        measures = json.loads((run.path / MEASURES_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    entries = measures.items() if isinstance(measures, dict) else ()
    return {name: one for name, one in entries if isinstance(one, dict) and isinstance(one.get("values"), dict)}
