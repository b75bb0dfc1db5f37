"""Reading of STL, binary with the colours of Magics or VisCAM, and text."""

from __future__ import annotations

import re

import numpy as np

from maquette.meshes.formats.content import Content, Part, split_corners
from maquette.meshes.formats.source import Source

FACET = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
HEADER = 84  # bytes before the first facet
VERTEX = re.compile(rb"vertex\s+(\S+)\s+(\S+)\s+(\S+)", re.IGNORECASE)
VALID = 1 << 15  # bit of the attribute


def read_stl(source: Source) -> Content:
    """Read an .stl file; which of the two it is, its size says."""
    data = source.read_bytes()
    if not data:
        raise source.broken("it is empty")
    count = int.from_bytes(data[80:HEADER], "little") if len(data) >= HEADER else -1
    if len(data) == HEADER + FACET.itemsize * count or (count >= 0 and not _is_text(data)):
        return _binary(data, count, source)
    return _text(data, source)


def _is_text(data: bytes) -> bool:
    return data.lstrip()[:5].lower() == b"solid" and b"\0" not in data[:512]


def _binary(data: bytes, count: int, source: Source) -> Content:
    size = HEADER + FACET.itemsize * count
    if size > len(data):
        raise source.broken(f"it is cut off: {len(data)} of {size} bytes are there")
    facets = np.frombuffer(data, FACET, count, HEADER)
    corners = facets["corners"].astype(np.float64).reshape(-1, 3)
    part = Part(corners, np.arange(len(corners)).reshape(-1, 3))
    colors = _colors(data[:80], facets["attribute"].astype(np.int64))
    if colors is not None:
        source.uses("face colors")
        part = split_corners(part, colors)
    return Content("stl-binary", [part] if count else [])


def _colors(header: bytes, attribute: np.ndarray) -> np.ndarray | None:
    """sRGB [F, 3] of the 15 bits of a facet's attribute, or of the whole object; None if the file has none.

    Source: Magics writes `COLOR=` and four bytes into the header, red in the low bits, and sets bit 15 of facets that
    have the object's colour; VisCAM and SolidView write blue in the low bits, and set bit 15 of facets with a colour.
    """
    five = np.stack([attribute & 31, (attribute >> 5) & 31, (attribute >> 10) & 31], axis=-1) / 31
    place = header.find(b"COLOR=")
    if place >= 0 and place + 10 <= len(header):
        whole = np.frombuffer(header[place + 6 : place + 9], np.uint8) / 255
        return np.where((attribute & VALID > 0)[:, None], whole, five)
    valid = attribute & VALID > 0
    return np.where(valid[:, None], five[:, ::-1], 1.0) if valid.any() else None


def _text(data: bytes, source: Source) -> Content:
    words = VERTEX.findall(data)
    try:
        corners = np.array(words, dtype="S").astype(np.float64).reshape(-1, 3)
    except ValueError as problem:
        raise source.broken(f"a vertex is not three numbers: {problem}") from problem
    if len(corners) % 3 or len(corners) // 3 != len(re.findall(rb"outer\s+loop", data, re.IGNORECASE)):
        raise source.broken(f"{len(corners)} vertices are no whole number of triangles: it is cut off")
    if not len(corners) and not _is_text(data):
        raise source.broken("it is neither binary nor text STL")
    return Content("stl-text", [Part(corners, np.arange(len(corners)).reshape(-1, 3))] if len(corners) else [])
