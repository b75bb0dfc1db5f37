"""The elements of a PLY file as arrays.

trimesh's reader and plyfile (GPL) give the raw elements too, but the first one loses properties that it does not know
and lists of unequal lengths; so this is our own.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from maquette.errors import ConfigError
from maquette.meshes.formats.source import Source

TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2",
    "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4", "float32": "f4",
    "double": "f8", "float64": "f8", "int64": "i8", "uint64": "u8", "long": "i8",
}  # fmt: skip
ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
LONGEST_HEADER = 2**20  # bytes


@dataclass(eq=False)
class Ragged:
    """Lists of unequal lengths: all values in a row, and the length of each list [n]."""

    values: np.ndarray
    lengths: np.ndarray


@dataclass(eq=False)
class Element:
    """One element of a file, such as its vertices: columns by name.

    Args:
        count: rows.
        columns: scalars [count].
        lists: lists by name.
    """

    count: int
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    lists: dict[str, Ragged] = field(default_factory=dict)


@dataclass(frozen=True)
class _Property:
    name: str
    kind: str
    length_kind: str = ""  # of lists


Layout = list[tuple[str, int, list[_Property]]]
"""Name, number of rows and properties of each element."""


@dataclass(frozen=True)
class Ply:
    """A parsed file: its encoding, the comments of its header and its elements by name."""

    encoding: str
    comments: list[str]
    elements: dict[str, Element]


def read_ply_table(source: Source) -> Ply:
    """Read all elements of a .ply file.

    Raises:
        ConfigError: it is no PLY, or is cut off.
    """
    data = source.read_bytes().removeprefix(b"\xef\xbb\xbf")
    encoding, comments, layout, start = _header(data, source)
    body = memoryview(data)[start:]
    elements: dict[str, Element] = {}
    if encoding == "ascii":
        elements = _text_elements(bytes(body), layout, source)
    else:
        place = 0
        for name, count, properties in layout:
            elements[name], place = _from_bytes(body, place, count, properties, ORDERS[encoding], name, source)
    return Ply(encoding, comments, elements)


def _header(data: bytes, source: Source) -> tuple[str, list[str], Layout, int]:
    head = data[:LONGEST_HEADER]
    end = re.search(rb"end_header[ \t]*(\r?\n|\r|$)", head)
    if not data.startswith(b"ply") or end is None:
        raise source.broken("it is no PLY, or its header is cut off")
    start = end.end()
    if end[1] == b"\r\n" and b"\r\n" not in head[: end.start()]:
        start -= 1  # the line feed is data
    encoding, comments = "", []
    layout: Layout = []
    for number, line in enumerate(head[: end.start()].decode("utf-8", errors="replace").splitlines(), 1):
        words = line.split()
        try:
            if words[:1] == ["format"]:
                encoding = words[1]
            elif words[:1] in (["comment"], ["obj_info"]):
                comments.append(line.split(None, 1)[1] if len(words) > 1 else "")
            elif words[:1] == ["element"]:
                layout.append((words[1], int(words[2]), []))
            elif words[:2] == ["property", "list"]:
                layout[-1][2].append(_Property(words[4], TYPES[words[3]], TYPES[words[2]]))
            elif words[:1] == ["property"]:
                layout[-1][2].append(_Property(words[2], TYPES[words[1]]))
        except (IndexError, KeyError, ValueError):
            raise source.broken(f"its header says {line!r}", line=number) from None
    if encoding not in ORDERS:
        raise source.broken(f"its format is {encoding or 'missing'!r}, not one of {', '.join(ORDERS)}")
    for name, count, properties in layout:
        if count < 0 or (properties and count > len(data)):
            raise source.broken(f"its header promises {count} rows of {name}, more than it has bytes: it is cut off")
    return encoding, comments, layout, start


def _text_elements(body: bytes, layout: Layout, source: Source) -> dict[str, Element]:
    """Elements word by word; where that does not come out even, one row from each line."""
    words, elements, problem = iter(body.split()), {}, None
    try:
        for name, count, properties in layout:
            elements[name] = _from_text(words, count, properties, len(body), name, source)
        if next(words, None) is None:
            return elements
    except ConfigError as error:
        problem = error
    lines = [line for line in body.splitlines() if line.strip()]
    if len(lines) >= sum(count for _, count, properties in layout if properties):
        for name, count, properties in layout:
            rows = lines[:count] if properties else []
            elements[name] = _from_lines(rows, properties, len(body), name, source) if properties else Element(count)
            lines = lines[len(rows) :]
        return elements
    if problem is not None:
        raise problem
    source.warns("it has more numbers than its header says")
    return elements


def _from_text(
    words: Iterator[bytes], count: int, properties: list[_Property], most: int, name: str, source: Source
) -> Element:
    """An element from the words of the body."""
    values: list[list[float]] = [[] for _ in properties]
    lengths: list[list[int]] = [[] for _ in properties]
    try:
        if not any(one.length_kind for one in properties):
            width = len(properties)
            numbers = np.array(list(map(float, itertools.islice(words, count * width))))
            if len(numbers) < count * width:
                raise StopIteration
            table = numbers.reshape(count, width)
            return Element(count, {one.name: table[:, i].astype(one.kind) for i, one in enumerate(properties)})
        for _ in range(count):
            _read_row(words, properties, values, lengths, most, name, source)
    except StopIteration:
        raise source.broken(f"it is cut off among its {count} rows of {name}") from None
    except ValueError as problem:
        raise source.broken(f"a number of {name} is none: {problem}") from problem
    return _collect(count, properties, values, lengths)


def _from_lines(lines: list[bytes], properties: list[_Property], most: int, name: str, source: Source) -> Element:
    """An element from one line for each row; what a line has beyond the properties is left out and said."""
    count, width = len(lines), len(properties)
    try:
        if not any(one.length_kind for one in properties):
            rows = [line.split() for line in lines]
            if any(len(row) > width for row in rows):
                source.warns(f"rows of {name} have more numbers than properties; the last are left out")
            table = np.array([row[:width] for row in rows], dtype="S").astype(np.float64).reshape(count, width)
            columns = {one.name: table[:, i].astype(one.kind) for i, one in enumerate(properties)}
            return Element(count, columns)
        values: list[list[float]] = [[] for _ in properties]
        lengths: list[list[int]] = [[] for _ in properties]
        for line in lines:
            words = iter(line.split())
            _read_row(words, properties, values, lengths, most, name, source)
            if next(words, None) is not None:
                source.warns(f"rows of {name} have more numbers than properties; the last are left out")
    except StopIteration:
        raise source.broken(f"a row of {name} is cut off") from None
    except ValueError as problem:
        raise source.broken(f"a number of {name} is none: {problem}") from problem
    return _collect(count, properties, values, lengths)


def _read_row(
    words: Iterator[bytes], properties: list[_Property], values: list[list[float]], lengths: list[list[int]], most: int,
    name: str, source: Source,
) -> None:  # fmt: skip
    for one, column, sizes in zip(properties, values, lengths, strict=True):
        size = 1
        if one.length_kind:
            size = int(next(words))
            if not 0 <= size <= most:
                raise source.broken(f"a list of {name} has the length {size}")
            sizes.append(size)
        column += [float(next(words)) for _ in range(size)]


def _collect(count: int, properties: list[_Property], values: list[list[float]], lengths: list[list[int]]) -> Element:
    element = Element(count)
    for one, column, sizes in zip(properties, values, lengths, strict=True):
        array = np.array(column, np.float64)
        if one.length_kind:
            element.lists[one.name] = Ragged(array, np.array(sizes, np.int64))
        else:
            element.columns[one.name] = array.astype(one.kind)
    return element


def _from_bytes(
    body: memoryview, place: int, count: int, properties: list[_Property], order: str, name: str, source: Source
) -> tuple[Element, int]:
    """An element that begins at byte `place`, and where it ends."""
    sizes = _first_lengths(body, place, properties, order) if count else [0] * len(properties)
    if sizes is not None:
        fields: list[tuple] = []
        for i, (one, size) in enumerate(zip(properties, sizes, strict=True)):
            if one.length_kind:
                fields += [(f"n{i}", order + one.length_kind), (f"v{i}", order + one.kind, (size,))]
            else:
                fields.append((f"v{i}", order + one.kind))
        dtype = np.dtype(fields)
        end = place + dtype.itemsize * count
        if end <= len(body):
            rows = np.frombuffer(body, dtype, count, place) if dtype.itemsize else np.zeros(count, dtype)
            lists = [i for i, one in enumerate(properties) if one.length_kind]
            if all((rows[f"n{i}"] == sizes[i]).all() for i in lists):
                return _regular(rows, count, properties, sizes), end
        elif not any(one.length_kind for one in properties):
            raise source.broken(f"it is cut off among its {count} rows of {name}")
    return _irregular(body, place, count, properties, order, name, source)


def _first_lengths(body: memoryview, place: int, properties: list[_Property], order: str) -> list[int] | None:
    """Lengths of the lists of the first row, 1 for scalars; None if the row is not there."""
    sizes = []
    for one in properties:
        size = 1
        if one.length_kind:
            kind = np.dtype(order + one.length_kind)
            if place + kind.itemsize > len(body):
                return None
            size = int(np.frombuffer(body, kind, 1, place)[0])
            place += kind.itemsize
            if not 0 <= size <= len(body):
                return None
        sizes.append(size)
        place += size * np.dtype(one.kind).itemsize
    return sizes if place <= len(body) else None


def _regular(rows: np.ndarray, count: int, properties: list[_Property], sizes: list[int]) -> Element:
    element = Element(count)
    for i, (one, size) in enumerate(zip(properties, sizes, strict=True)):
        values = rows[f"v{i}"].astype(one.kind)
        if one.length_kind:
            element.lists[one.name] = Ragged(values.reshape(-1), np.full(count, size, np.int64))
        else:
            element.columns[one.name] = values
    return element


def _irregular(
    body: memoryview, place: int, count: int, properties: list[_Property], order: str, name: str, source: Source
) -> tuple[Element, int]:
    parts: list[list[np.ndarray]] = [[] for _ in properties]
    lengths: list[list[int]] = [[] for _ in properties]
    kinds = [(np.dtype(order + one.kind), np.dtype(order + (one.length_kind or "u1"))) for one in properties]
    for _ in range(count):
        for i, one in enumerate(properties):
            kind, length_kind = kinds[i]
            size = 1
            if one.length_kind and place + length_kind.itemsize <= len(body):
                size = int(np.frombuffer(body, length_kind, 1, place)[0])
                place += length_kind.itemsize
            end = place + size * kind.itemsize
            if size < 0 or end > len(body):
                raise source.broken(f"it is cut off among its {count} rows of {name}")
            parts[i].append(np.frombuffer(body, kind, size, place))
            lengths[i].append(size)
            place = end
    element = Element(count)
    for i, one in enumerate(properties):
        values = np.concatenate(parts[i]).astype(one.kind) if parts[i] else np.zeros(0, one.kind)
        if one.length_kind:
            element.lists[one.name] = Ragged(values, np.array(lengths[i], np.int64))
        else:
            element.columns[one.name] = values
    return element, place
