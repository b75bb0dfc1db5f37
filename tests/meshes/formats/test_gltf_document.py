"""Accessors and buffers of glTF, element by element."""

from pathlib import Path

import numpy as np
import pytest
from gltf_files import CORNERS, FACES, GltfFile

from maquette.errors import ConfigError
from maquette.meshes.formats.gltf_document import GltfDocument
from maquette.meshes.formats.source import Source


def read(file: GltfFile, path: Path) -> GltfDocument:
    return GltfDocument(Source(file.write(path), "path"))


@pytest.mark.parametrize("name", ["quad.gltf", "quad.glb"])
def test_accessors_of_floats_and_indices(name, tmp_path):
    document = read(GltfFile(), tmp_path / name)
    assert document.format == name[-4:].strip(".")
    assert np.array_equal(document.array(0, ("VEC3",), "positions"), CORNERS)
    indices = document.array(1, ("SCALAR",), "indices")
    assert indices.dtype == np.int64 and indices[:, 0].tolist() == FACES.ravel().tolist()


@pytest.mark.parametrize(("kind", "least"), [("uint8", 0), ("int8", -127), ("uint16", 0), ("int16", -32767)])
def test_normalised_integers_span_the_unit_interval(kind, least, tmp_path):
    file, info = GltfFile(), np.iinfo(kind)
    place = file.array(np.array([[info.min, 0, info.max]] * 4, kind))
    document = read(file, tmp_path / "a.glb")
    assert document.array(place, ("VEC3",), "colors")[0].tolist() == [-1.0 if least else 0.0, 0.0, 1.0]


def test_strides_step_over_what_lies_between(tmp_path):
    file = GltfFile()
    file.tree["accessors"][0]["bufferView"] = file.view(np.concatenate([CORNERS, CORNERS + 9], axis=1).tobytes())
    file.tree["bufferViews"][-1]["byteStride"] = 24
    assert np.array_equal(read(file, tmp_path / "a.glb").array(0, ("VEC3",), "positions"), CORNERS)


def test_sparse_parts_change_the_elements_that_they_name(tmp_path):
    file = GltfFile()
    where, values = file.view(np.array([2], np.uint16).tobytes()), file.view(np.full(3, 7, np.float32).tobytes())
    file.tree["accessors"][0]["sparse"] = {
        "count": 1, "indices": {"bufferView": where, "componentType": 5123}, "values": {"bufferView": values},
    }  # fmt: skip
    document = read(file, tmp_path / "a.glb")
    assert document.array(0, ("VEC3",), "positions").tolist() == [[0, 0, 0], [1, 0, 0], [7, 7, 7], [0, 1, 0]]
    assert document.source.used == ["sparse accessors"]


def test_what_leads_out_of_the_file_is_refused_by_its_place(tmp_path):
    document = read(GltfFile(), tmp_path / "a.glb")
    for wrong, words in ((2, r"refers to accessors\[2\], but has 2"), (-1, "not a whole number"), ("0", "not a whole")):
        with pytest.raises(ConfigError, match=words):
            document.item("accessors", wrong)
    document.tree["accessors"][0]["count"] = 5
    with pytest.raises(ConfigError, match=r"positions needs 60 bytes of bufferViews\[0\], which has 48"):
        document.array(0, ("VEC3",), "positions")


def test_another_version_is_refused_with_the_program_that_converts_it(tmp_path):
    file = GltfFile()
    file.tree["asset"]["version"] = "1.0"
    with pytest.raises(ConfigError, match=r"glTF of version 1\.0; only 2\.0 is read.*Blender"):
        read(file, tmp_path / "a.gltf")
