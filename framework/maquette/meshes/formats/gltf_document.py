"""The JSON of a glTF file, its buffers, and the arrays that its accessors describe.

trimesh and pygltflib leave sparse and normalised accessors to their users, and check few indices; so this is our own
reading of sections 3.6 and 4.4 of the glTF 2.0 specification, in numpy.
"""

from __future__ import annotations

import base64
import binascii
import json
import struct
from typing import Any
from urllib.parse import unquote_to_bytes

import numpy as np

from maquette.meshes.formats.source import Source

COMPONENTS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
LARGEST_BLANK = 50_000_000  # elements of an accessor without data of its own
MESHOPT = ("EXT_meshopt_compression", "KHR_meshopt_compression")
JSON_CHUNK, BINARY_CHUNK = 0x4E4F534A, 0x004E4942


class GltfDocument:
    """A parsed glTF file.

    Args:
        source: the .gltf or .glb file; which of the two it is, its first bytes say.

    Raises:
        ConfigError: it is no glTF 2.0, or is cut off.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        data = source.read_bytes()
        self.binary: bytes | None = None
        self.format = "gltf"
        if data[:4] == b"glTF":
            self.format = "glb"
            data, self.binary = self._split_chunks(data)
        try:
            self.tree = json.loads(data.decode("utf-8-sig"))
        except (ValueError, RecursionError) as problem:
            raise source.broken(f"its JSON is broken: {problem}") from problem
        if not isinstance(self.tree, dict) or not isinstance(self.tree.get("asset"), dict):
            raise source.broken("it is no glTF: it has no asset")
        asset = self.tree["asset"]
        version = str(asset.get("minVersion", asset.get("version", "none")))
        if version.split(".")[0] != "2":
            raise source.error(f"it is glTF of version {version}; only 2.0 is read", hint="convert it with Blender")
        self._buffers: dict[int, bytes] = {}

    def items(self, kind: str) -> list[Any]:
        """All objects of a kind, such as "meshes"; empty if the file has none."""
        items = self.tree.get(kind, [])
        if not isinstance(items, list):
            raise self.source.broken(f"{kind} is no list")
        return items

    def item(self, kind: str, index: Any) -> dict[str, Any]:
        """One object of a kind.

        Raises:
            ConfigError: there is none of this index.
        """
        items = self.items(kind)
        place = self.whole(index, f"an index into {kind}")
        if place >= len(items):
            raise self.source.broken(f"it refers to {kind}[{place}], but has {len(items)} {kind}")
        if not isinstance(items[place], dict):
            raise self.source.broken(f"{kind}[{place}] is no object")
        return items[place]

    def whole(self, value: Any, name: str) -> int:
        """A whole number of 0 or more."""
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self.source.broken(f"{name} is {value!r}, not a whole number of 0 or more")
        return value

    def view_bytes(self, index: Any) -> tuple[memoryview, int | None]:
        """The bytes of a buffer view, and its stride."""
        view = self.item("bufferViews", index)
        buffer = self._buffer(self.whole(view.get("buffer"), "bufferView.buffer"), index)
        start = self.whole(view.get("byteOffset", 0), "bufferView.byteOffset")
        length = self.whole(view.get("byteLength"), "bufferView.byteLength")
        if start + length > len(buffer):
            raise self.source.broken(
                f"bufferViews[{index}] ends at byte {start + length} of a buffer of {len(buffer)} bytes: it is cut off"
            )
        stride = view.get("byteStride")
        return memoryview(buffer)[start : start + length], None if stride is None else self.whole(stride, "byteStride")

    def array(self, index: Any, types: tuple[str, ...], name: str) -> np.ndarray:
        """The numbers of an accessor, sparse parts applied.

        Args:
            index: of the accessor.
            types: those that are allowed, such as ("VEC3", "VEC4").
            name: what the numbers are, for messages.

        Returns:
            [count, width]; float64, normalised integers in [0, 1] or [-1, 1]; integers as they are, int64.
        """
        accessor = self.item("accessors", index)
        kind, component = accessor.get("type"), accessor.get("componentType")
        if kind not in types or component not in COMPONENTS:
            raise self.source.broken(f"{name} is of type {kind} and component type {component}")
        count = self.whole(accessor.get("count"), f"the count of {name}")
        dtype, width = np.dtype(COMPONENTS[component]), WIDTHS[kind]
        if "bufferView" in accessor:
            start = self.whole(accessor.get("byteOffset", 0), "accessor.byteOffset")
            raw = self._rows(accessor["bufferView"], start, count, dtype, width, name)
        elif count > LARGEST_BLANK:
            raise self.source.broken(f"{name} has {count} elements and no data")
        else:
            raw = np.zeros((count, width), dtype)
        if "sparse" in accessor:
            raw = self._with_sparse(raw, accessor["sparse"], dtype, width, name)
        if dtype.kind == "f":
            return raw.astype(np.float64)
        if accessor.get("normalized"):
            self.source.uses("normalised integers")
            return np.maximum(raw / np.iinfo(dtype).max, -1.0)
        return raw.astype(np.int64)

    def _rows(self, view: Any, start: int, count: int, dtype: np.dtype, width: int, name: str) -> np.ndarray:
        data, stride = self.view_bytes(view)
        size = dtype.itemsize * width
        step = stride or size
        if step < size:
            raise self.source.broken(f"{name} has a stride of {step} bytes for elements of {size}")
        end = start + step * (count - 1) + size if count else start
        if end > len(data):
            raise self.source.broken(
                f"{name} needs {end} bytes of bufferViews[{view}], which has {len(data)}: it is cut off"
            )
        rows = np.ndarray((count, size), np.uint8, data, start, (step, 1)) if count else np.zeros((0, size), np.uint8)
        return np.ascontiguousarray(rows).view(dtype).reshape(count, width)

    def _with_sparse(self, base: np.ndarray, sparse: Any, dtype: np.dtype, width: int, name: str) -> np.ndarray:
        """The array with the elements that a sparse accessor changes."""
        self.source.uses("sparse accessors")
        count = self.whole(sparse["count"], "sparse.count")
        where, values = sparse["indices"], sparse["values"]
        if where.get("componentType") not in (5121, 5123, 5125):
            raise self.source.broken(f"the sparse indices of {name} are no unsigned integers")
        kind = np.dtype(COMPONENTS[where["componentType"]])
        start = self.whole(where.get("byteOffset", 0), "byteOffset")
        index = self._rows(where["bufferView"], start, count, kind, 1, f"sparse indices of {name}")[:, 0]
        if count and index.max() >= len(base):
            raise self.source.broken(f"sparse index {index.max()} of {name} is outside its {len(base)} elements")
        start = self.whole(values.get("byteOffset", 0), "byteOffset")
        changed = base.copy()
        changed[index] = self._rows(values["bufferView"], start, count, dtype, width, f"sparse values of {name}")
        return changed

    def _buffer(self, index: int, view: Any) -> bytes:
        if index not in self._buffers:
            self._buffers[index] = self._load_buffer(index, view)
        return self._buffers[index]

    def _load_buffer(self, index: int, view: Any) -> bytes:
        buffer = self.item("buffers", index)
        uri = buffer.get("uri")
        if uri is not None:
            data = self.uri_bytes(uri, f"buffers[{index}]")
        elif index == 0 and self.binary is not None:
            data = self.binary
        else:
            extensions = self.item("bufferViews", view).get("extensions", {})
            name = next((name for name in MESHOPT if name in extensions), None)
            if name:
                raise self.source.error(
                    f"its meshes are compressed by {name}, which is not read",
                    hint="gltf-transform copy IN OUT undoes it",
                )
            raise self.source.broken(f"buffers[{index}] has no data")
        length = self.whole(buffer.get("byteLength", 0), f"buffers[{index}].byteLength")
        if length > len(data):
            raise self.source.broken(f"buffers[{index}] has {len(data)} of {length} bytes: it is cut off")
        return data

    def uri_bytes(self, uri: Any, name: str) -> bytes:
        """The bytes of a data URI or of a file beside this one."""
        if not isinstance(uri, str):
            raise self.source.broken(f"the uri of {name} is {uri!r}")
        if not uri.startswith("data:"):
            return self.source.companion(uri, quoted=True)
        head, _, body = uri.partition(",")
        data = unquote_to_bytes(body)
        if not head.endswith(";base64"):
            return data
        try:
            return base64.b64decode(data, validate=True)
        except (ValueError, binascii.Error) as problem:
            raise self.source.broken(f"the data of {name} are no base64: {problem}") from problem

    def _split_chunks(self, data: bytes) -> tuple[bytes, bytes | None]:
        """The JSON and binary chunks of a .glb file."""
        if len(data) < 20:
            raise self.source.broken(f"it is cut off after {len(data)} bytes")
        version, length = struct.unpack_from("<II", data, 4)
        if version != 2:
            raise self.source.error(
                f"it is binary glTF of version {version}; only 2 is read", hint="convert it with Blender"
            )
        if length > len(data):
            raise self.source.broken(f"it is cut off: {len(data)} of {length} bytes are there")
        chunks: dict[int, bytes] = {}
        place = 12
        while place + 8 <= length:
            size, kind = struct.unpack_from("<II", data, place)
            if place + 8 + size > len(data):
                raise self.source.broken("a chunk of it is cut off")
            chunks.setdefault(kind, data[place + 8 : place + 8 + size])
            place += 8 + size
        if JSON_CHUNK not in chunks:
            raise self.source.broken("it has no JSON chunk")
        return chunks[JSON_CHUNK], chunks.get(BINARY_CHUNK)
