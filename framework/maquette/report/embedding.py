"""Pages in one file: templates filled, and files and pictures as data URLs."""

from __future__ import annotations

import base64
import gzip
import io
from pathlib import Path
from typing import Any

LARGEST_EMBEDDED_BYTES = 64 * 2**20  # largest file that is embedded
_KINDS = {".mp4": "video/mp4", ".gif": "image/gif", ".png": "image/png"}


def fill_template(template: Path, **values: Any) -> str:
    """The text of a template, whose values are escaped; it may extend others of its folder."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(template.parent), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    return environment.get_template(template.name).render(**values)


def base_style() -> str:
    """The CSS that all pages share: colours, light and dark, type, cards and focus."""
    return Path(__file__).with_name("base.css").read_text(encoding="utf-8")


def embeddable(path: Path) -> bool:
    """Whether a file is there, and not too large to embed."""
    return path.is_file() and 0 < path.stat().st_size <= LARGEST_EMBEDDED_BYTES


def data_url(path: Path) -> str:
    """The file as a `data:` URL. Raises ValueError when it is too large to embed."""
    if not embeddable(path):
        raise ValueError(f"it has {path.stat().st_size / 2**20:.0f} MB, too many to embed in a page")
    return f"data:{_KINDS[path.suffix]};base64,{base64.b64encode(path.read_bytes()).decode()}"


def packed(content: bytes) -> str:
    """The bytes gzipped, in base64: what the pages' scripts unpack; equal for equal bytes."""
    return base64.b64encode(gzip.compress(content, mtime=0)).decode()


def thumbnail_url(path: Path, width: int, height: int) -> str:
    """A picture as a `data:` URL of a PNG, no wider and no higher than that, in pixels.

    Raises:
        OSError, ValueError, SyntaxError: it cannot be read; SyntaxError comes from Pillow, on broken PNG files.
    """
    from PIL import Image

    with Image.open(path) as picture:
        small = picture.convert("RGB")
    small.thumbnail((width, height))
    stream = io.BytesIO()
    small.save(stream, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"
