"""Where things of this project are."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
ASSETS = ROOT.parent / "shared" / "assets"
"""Real files beside the checkout, where there are any."""


def page(name: str) -> str:
    """The text of a page of the documentation."""
    return (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")


def examples(name: str, language: str) -> list[str]:
    """The blocks of that language on a page of the documentation."""
    return re.findall(rf"```{language}\n(.*?)```", page(name), re.DOTALL)
