"""The base colour of a glTF material, and what of the material is left out."""

import io
from pathlib import Path

import numpy as np
import pytest
from gltf_files import GltfFile
from PIL import Image

from maquette.errors import ConfigError
from maquette.meshes.formats.gltf_document import GltfDocument
from maquette.meshes.formats.gltf_materials import GltfMaterials
from maquette.meshes.formats.source import Source


def read(file: GltfFile, folder: Path) -> tuple[GltfMaterials, Source]:
    source = Source(file.write(folder / "a.glb"), "path")
    return GltfMaterials(GltfDocument(source)), source


def test_a_factor_is_linear_light_and_one_beyond_white_is_cut_and_said(tmp_path):
    file = GltfFile()
    file.material(pbrMetallicRoughness={"baseColorFactor": [0.25, 2.0, 0, 0.5]}, alphaMode="BLEND", name="glass")
    materials, source = read(file, tmp_path)
    assert materials.base_color(0).factor.tolist() == [0.25, 1, 0] and materials.base_color(0).picture is None
    assert source.warnings == ["the colour of materials[0] lies outside 0 to 1 and is clipped"]
    assert source.ignored == ["transparency (alphaMode BLEND of glass)"]


def test_a_texture_comes_with_its_uv_set_its_transform_and_its_wrapping(tmp_path):
    file, data = GltfFile(), io.BytesIO()
    Image.new("RGB", (2, 3), (255, 0, 0)).save(data, "PNG")
    info = file.texture({"bufferView": file.view(data.getvalue())}, wrapS=33071, wrapT=33648)
    info["extensions"] = {
        "KHR_texture_transform": {"offset": [0.5, 0], "rotation": np.pi / 2, "scale": [2, 1], "texCoord": 1}
    }
    color = read(file, tmp_path)[0].base_color(0)
    assert color.picture.size == (2, 3) and color.uv_set == 1 and color.wrap == ("clamp", "mirror")
    assert color.transform @ [1, 0, 1] == pytest.approx([0.5, -2])  # u along the picture turns upwards: v counts down


def test_a_colour_that_is_none_is_refused(tmp_path):
    file = GltfFile()
    file.material(pbrMetallicRoughness={"baseColorFactor": [1, 0]})
    with pytest.raises(ConfigError, match=r"the colour of materials\[0\] is \[1, 0\]"):
        read(file, tmp_path)[0].base_color(0)


def test_a_texture_in_a_format_that_is_not_read_names_the_remedy(tmp_path):
    file = GltfFile()
    file.texture({"uri": "a.ktx2"})
    file.tree["textures"] = [{"extensions": {"KHR_texture_basisu": {"source": 0}}}]
    with pytest.raises(ConfigError, match=r"given by KHR_texture_basisu alone, which is not read .*ktxdecompress"):
        read(file, tmp_path)[0].base_color(0)
