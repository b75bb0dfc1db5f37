"""What the results of a suite say of the suite, so that a board can be read without its file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from maquette.bench.suites import Suite
from maquette.config.parts import check
from maquette.errors import ConfigError
from maquette.files import display_path, write_atomically

OUTLINE_FOLDER, OUTLINE_FILE = "suite", "outline.json"  # in the folder of a suite's records


@dataclass(frozen=True)
class Outline:
    """A suite in short.

    Args:
        suite: name and version.
        summary: one line.
        cases: titles of all, of which some may have no record yet.
    """

    suite: str
    summary: str = ""
    cases: list[str] = field(default_factory=list)


def keep_outline(suite: Suite, results: Path) -> Path:
    """Write a suite's outline beside its records; returns the file."""
    outline = Outline(suite.title, suite.summary, [case.title for case in suite.cases])
    path = results / suite.title / OUTLINE_FOLDER / OUTLINE_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(asdict(outline), indent=1, ensure_ascii=False) + "\n")
    return path


def read_outline(folder: Path) -> Outline | None:
    """The outline in a suite's folder of records; None: there is none, as in results of older versions.

    Raises:
        ConfigError: it is broken; names the file.
    """
    path = folder / OUTLINE_FOLDER / OUTLINE_FILE
    try:
        outline: Outline = check(Outline, json.loads(path.read_text(encoding="utf-8")), "", lambda key: None)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, ConfigError) as problem:
        raise ConfigError(f"this is no outline of a suite: {problem}", file=display_path(path)) from None
    return outline
