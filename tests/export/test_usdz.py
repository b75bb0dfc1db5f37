"""`.usdz` as usd-core reads it back."""

import zipfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from maquette import registry
from maquette.export.usdz import can_write_usdz, write_usdz
from maquette.export.writers import to_gltf_axes

installed = pytest.mark.skipif(not can_write_usdz(), reason="usd-core is not installed")


@pytest.fixture
def path(textured, tmp_path):
    ramp = np.linspace(0, 1, 64, dtype=np.float32)
    metal = np.stack(np.broadcast_arrays(ramp[None, :], 0.5 * ramp[:, None]), axis=-1)
    return write_usdz(tmp_path / "thing.usdz", replace(textured, metallic_roughness=metal))


@installed
def test_the_mesh_stands_upright_with_its_texture_coordinates(textured, path):
    from pxr import Usd, UsdGeom

    stage = Usd.Stage.Open(str(path))
    assert UsdGeom.GetStageUpAxis(stage) == "Y"
    body = UsdGeom.Mesh(stage.GetPrimAtPath("/object/mesh"))
    np.testing.assert_allclose(np.array(body.GetPointsAttr().Get()), to_gltf_axes(textured.vertices), atol=1e-6)
    assert len(body.GetFaceVertexIndicesAttr().Get()) == 3 * len(textured.faces)
    found = np.array(UsdGeom.PrimvarsAPI(body).GetPrimvar("st").Get())
    np.testing.assert_allclose(found, textured.uv, atol=1e-6)


@installed
def test_colours_metal_and_roughness_are_its_pictures(textured, path):
    from pxr import Usd, UsdShade

    with zipfile.ZipFile(path) as package:
        names = package.namelist()
        package.extractall(path.parent)
    assert names[0] == "thing.usdc" and sorted(name.split("/")[-1] for name in names[1:]) == ["color.png", "metal.png"]
    (color,) = path.parent.rglob("color.png")
    np.testing.assert_allclose(np.asarray(Image.open(color)) / 255, textured.texture, atol=0.5 / 255 + 1e-6)
    stage = Usd.Stage.Open(str(path))
    surface = UsdShade.Shader(stage.GetPrimAtPath("/object/material/surface"))
    channels = {"diffuseColor": "rgb", "metallic": "b", "roughness": "g"}
    assert {name: surface.GetInput(name).GetConnectedSource()[1] for name in channels} == channels


@installed
def test_what_usd_core_checks_is_in_order(path):
    from pxr import Usd, UsdValidation

    known = UsdValidation.ValidationRegistry()
    names = [metadata.name for metadata in known.GetAllValidatorMetadata()]
    context = UsdValidation.ValidationContext(known.GetOrLoadValidatorsByName(names))
    found = context.Validate(Usd.Stage.Open(str(path)))
    assert "usdUtilsValidators:UsdzPackageValidator" in names
    assert not [error.GetErrorAsString() for error in found]


@pytest.mark.skipif(can_write_usdz(), reason="usd-core is installed")
def test_without_usd_core_the_config_says_what_to_install():
    with pytest.raises(ValueError, match=r"formats: writing .usdz needs usd-core: pip install 'maquette\[usd\]'"):
        registry.get("exporter", "mesh").Config(formats=("usdz",))
