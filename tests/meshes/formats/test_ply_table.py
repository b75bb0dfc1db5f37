"""The elements of a PLY are the same in each of its encodings."""

import struct
from pathlib import Path

import numpy as np
import pytest

from maquette.errors import ConfigError
from maquette.meshes.formats.ply_table import Ply, read_ply_table
from maquette.meshes.formats.source import Source

HEADER = """ply
format {encoding} 1.0
comment made by hand
element vertex 3
property float x
property uchar red
element face 2
property list uchar int vertex_indices
property short flag
end_header
"""
VERTICES = [(0.5, 255), (-1.0, 0), (2.0, 7)]
FACES = [((0, 1, 2), -3), ((0, 1, 2, 1), 4)]


def content(encoding: str) -> bytes:
    head = HEADER.format(encoding=encoding).encode()
    if encoding == "ascii":
        rows = [f"{x} {red}" for x, red in VERTICES]
        rows += [f"{len(face)} {' '.join(map(str, face))} {flag}" for face, flag in FACES]
        return head + "\n".join(rows).encode()
    order = "<" if "little" in encoding else ">"
    body = b"".join(struct.pack(f"{order}fB", *vertex) for vertex in VERTICES)
    return head + body + b"".join(struct.pack(f"{order}B{len(f)}ih", len(f), *f, flag) for f, flag in FACES)


def read(folder: Path, data: bytes) -> Ply:
    (folder / "a.ply").write_bytes(data)
    return read_ply_table(Source(folder / "a.ply", "path"))


@pytest.mark.parametrize("encoding", ["ascii", "binary_little_endian", "binary_big_endian"])
def test_scalars_and_lists_of_unequal_lengths(encoding, tmp_path):
    table = read(tmp_path, content(encoding))
    assert table.encoding == encoding and table.comments == ["made by hand"]
    vertex, face = table.elements["vertex"], table.elements["face"]
    assert vertex.columns["x"].tolist() == [0.5, -1, 2] and vertex.columns["red"].tolist() == [255, 0, 7]
    assert face.columns["flag"].tolist() == [-3, 4] and face.lists["vertex_indices"].lengths.tolist() == [3, 4]
    assert face.lists["vertex_indices"].values.tolist() == [0, 1, 2, 0, 1, 2, 1]


@pytest.mark.parametrize("encoding", ["ascii", "binary_little_endian"])
def test_a_table_cut_off_anywhere_in_its_rows_is_refused(encoding, tmp_path):
    data = content(encoding)
    start = data.index(b"end_header\n") + len(b"end_header\n")
    for end in np.linspace(start, len(data) - 2, 8).astype(int):
        with pytest.raises(ConfigError, match="the mesh cannot be read: "):
            read(tmp_path, data[:end])


def test_a_header_that_is_wrong_is_quoted_with_its_line(tmp_path):
    with pytest.raises(ConfigError, match=r"its header says 'property real x' .*a\.ply:5"):
        read(tmp_path, content("ascii").replace(b"property float x", b"property real x"))
    with pytest.raises(ConfigError, match="promises 999999999 rows of vertex"):
        read(tmp_path, content("ascii").replace(b"vertex 3", b"vertex 999999999"))
