"""Small glTF files, written accessor by accessor."""

from __future__ import annotations

import base64
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

CORNERS = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float32)
FACES = np.array([[0, 1, 2], [0, 2, 3]], np.uint16)
TYPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}
COMPONENTS = {"int8": 5120, "uint8": 5121, "int16": 5122, "uint16": 5123, "uint32": 5125, "float32": 5126}


class GltfFile:
    """A scene of one node with one quad in the plane z = 0, to be changed before it is written.

    Args:
        gap: bytes between the vertices of an attribute, a multiple of 4; with it the rows are strided.
    """

    def __init__(self, indices: Any = FACES, gap: int = 0, **attributes: np.ndarray) -> None:
        self.data, self.gap = b"", gap
        self.tree: dict[str, Any] = {
            "asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0}],
            "accessors": [], "bufferViews": [],
        }  # fmt: skip
        attributes = {"POSITION": CORNERS, **attributes}
        self.primitive: dict[str, Any] = {"attributes": {n: self.array(v) for n, v in attributes.items()}}
        if indices is not None:
            self.primitive["indices"] = self.array(np.asarray(indices).reshape(-1))
        self.tree["meshes"] = [{"primitives": [self.primitive]}]

    def view(self, data: bytes) -> int:
        self.data += b"\0" * (-len(self.data) % 4)
        self.tree["bufferViews"].append({"buffer": 0, "byteOffset": len(self.data), "byteLength": len(data)})
        self.data += data
        return len(self.tree["bufferViews"]) - 1

    def array(self, values: np.ndarray, **more: Any) -> int:
        """Add an accessor; integers other than indices are normalised."""
        values, data = np.ascontiguousarray(values), np.ascontiguousarray(values).tobytes()
        stride = (values[0].nbytes + 3) // 4 * 4 + self.gap if self.gap and values.ndim == 2 else 0
        if stride:
            data = b"".join(row.tobytes().ljust(stride, b"\0") for row in values)
        width = values.shape[1] if values.ndim == 2 else 1
        accessor = {
            "bufferView": self.view(data), "componentType": COMPONENTS[values.dtype.name],
            "count": len(values), "type": TYPES[width], **more,
        }  # fmt: skip
        if values.ndim == 2 and values.dtype.kind in "iu":
            accessor.setdefault("normalized", True)
        self.tree["bufferViews"][accessor["bufferView"]] |= {"byteStride": stride} if stride else {}
        self.tree["accessors"].append(accessor)
        return len(self.tree["accessors"]) - 1

    def material(self, **material: Any) -> dict[str, Any]:
        self.tree.setdefault("materials", []).append(material)
        self.primitive["material"] = len(self.tree["materials"]) - 1
        return material

    def texture(self, image: dict[str, Any], **sampler: Any) -> dict[str, Any]:
        """Paint the quad by an image; returns the texture's reference."""
        self.tree["images"], self.tree["textures"] = [image], [{"source": 0}]
        if sampler:
            self.tree["samplers"], self.tree["textures"] = [sampler], [{"source": 0, "sampler": 0}]
        info = {"index": 0}
        self.material(pbrMetallicRoughness={"baseColorTexture": info})
        return info

    def write(self, path: Path) -> Path:
        buffer: dict[str, Any] = {"byteLength": len(self.data)}
        if path.suffix == ".glb":
            self.tree["buffers"] = [buffer]
            head = json.dumps(self.tree).encode()
            head, body = head + b" " * (-len(head) % 4), self.data + b"\0" * (-len(self.data) % 4)
            chunks = struct.pack("<II", len(head), 0x4E4F534A) + head + struct.pack("<II", len(body), 0x004E4942) + body
            path.write_bytes(struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks)
            return path
        if "buffers" not in self.tree:
            uri = "data:application/octet-stream;base64," + base64.b64encode(self.data).decode()
            self.tree["buffers"] = [{**buffer, "uri": uri}]
        path.write_text(json.dumps(self.tree))
        return path
