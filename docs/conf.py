"""Settings of the documentation site: `make docs` builds it into docs/_build/html."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS), str(DOCS.parent / "framework")]

from maquette import __version__  # noqa: E402

project = "maquette"
author = copyright = "the maquette authors"
version = release = __version__
extensions = ["myst_parser"]
exclude_patterns = ["_build", "boards", "notebooks/*.ipynb"]
source_suffix = {".md": "markdown"}
root_doc = "index"

html_theme = "furo"
html_title = "maquette"
html_static_path = ["_static"]
html_css_files = ["maquette.css"]
html_js_files = ["maquette.js"]
html_theme_options = {"navigation_with_keys": True, "top_of_page_buttons": []}
html_copy_source = html_show_sourcelink = False
html_show_sphinx = False
pygments_style, pygments_dark_style = "a11y-high-contrast-light", "a11y-high-contrast-dark"

myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]
myst_links_external_new_tab = False


def write_pages(app: Any) -> None:
    """Write the pages that are made from the code, and the notebooks as pages."""
    from reference_pages import write_reference

    write_reference(DOCS / "reference")
    for notebook in sorted((DOCS / "notebooks").glob("*.ipynb")):
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        text = "\n\n".join(_cell(cell) for cell in cells if cell["source"])
        notebook.with_suffix(".md").write_text(text + "\n", encoding="utf-8")


def _cell(cell: dict[str, Any]) -> str:
    source = "".join(cell["source"])
    return source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```"


def name_files_outside(app: Any, page: str, source: list[str]) -> None:
    """Let links to files that are no pages, such as those of the code, be their texts."""
    folder = (DOCS / page).parent

    def text_or_link(match: re.Match[str]) -> str:
        target = (folder / match[2]).resolve()
        return match[0] if match[2].startswith("http") or target.is_relative_to(DOCS) else match[1]

    source[0] = re.sub(r"(?<!!)\[([^\]]*)\]\(([^)#\s]+)[^)]*\)", text_or_link, source[0])


def copy_boards(app: Any, problem: Exception | None) -> None:
    """Put the leaderboard's site, which is HTML already, beside the pages."""
    if problem is None and app.builder.format == "html":
        shutil.copytree(DOCS / "boards", Path(app.outdir) / "boards", dirs_exist_ok=True)


def setup(app: Any) -> None:
    app.connect("builder-inited", write_pages)
    app.connect("source-read", name_files_outside)
    app.connect("build-finished", copy_boards)
