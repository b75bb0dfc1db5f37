"""Meshes compressed by Draco, decoded by DracoPy where it is installed."""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import Any

import numpy as np

from maquette.meshes.formats.gltf_document import GltfDocument

EXTENSION = "KHR_draco_mesh_compression"
INSTALL = "pip install 'maquette[draco]', or gltf-transform copy IN OUT undoes it"


def decode(
    document: GltfDocument, primitive: dict[str, Any], compressed: dict[str, Any]
) -> dict[str, np.ndarray] | None:
    """Attributes and INDICES of a compressed primitive, as glTF stores them uncompressed.

    Returns:
        None where DracoPy is missing and the file has the same mesh uncompressed.

    Raises:
        ConfigError: DracoPy is missing, or cannot read the data.
    """
    source = document.source
    positions = document.item("accessors", primitive["attributes"]["POSITION"])
    if find_spec("DracoPy") is None:
        if "bufferView" in positions and EXTENSION not in document.items("extensionsRequired"):
            return None
        raise source.error(f"its meshes are compressed by {EXTENSION}, which needs DracoPy", hint=INSTALL)
    import DracoPy

    data = bytes(document.view_bytes(compressed.get("bufferView"))[0])
    try:
        mesh = DracoPy.decode(data)
        ids = {name: document.whole(number, name) for name, number in compressed["attributes"].items()}
        arrays = {name: _attribute(mesh, number) for name, number in ids.items()}
        arrays["INDICES"] = np.asarray(mesh.faces, np.int64).reshape(-1)
    except Exception as problem:  # DracoPy raises errors of its own beside Python's
        raise source.error(f"its data of {EXTENSION} cannot be decoded: {problem}") from problem
    source.uses(EXTENSION)
    for name, values in arrays.items():
        accessor = document.item("accessors", primitive["attributes"][name]) if name != "INDICES" else {}
        if accessor.get("normalized") and values.dtype.kind in "iu":
            arrays[name] = np.maximum(values / np.iinfo(values.dtype).max, -1.0)
    names = re.compile("POSITION|INDICES|(TEXCOORD|COLOR|JOINTS|WEIGHTS)_")
    return {name: values for name, values in arrays.items() if names.match(name)}


def _attribute(mesh: Any, number: int) -> np.ndarray:
    return np.asarray(mesh.get_attribute_by_unique_id(number)["data"])
