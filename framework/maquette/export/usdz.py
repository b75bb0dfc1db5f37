"""Export to `.usdz`, for augmented reality on phones; needs usd-core.

Axes are glTF's, as viewers expect them: y up, front along +z. One scene unit is a metre.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

from maquette.errors import MissingDependency
from maquette.export.writers import DEFAULT_ROUGHNESS, metallic_roughness_image, to_gltf_axes
from maquette.files import atomic_path
from maquette.images.pixels import to_bytes
from maquette.meshes.mesh import Mesh

INSTALL_USD = "writing .usdz needs usd-core: pip install 'maquette[usd]'"


def can_write_usdz() -> bool:
    """Whether usd-core is installed."""
    return find_spec("pxr") is not None


def write_usdz(path: Path, mesh: Mesh) -> Path:
    """Write a mesh with a UsdPreviewSurface: colours, and metallic and roughness if the mesh has them.

    Args:
        path: file to write.
        mesh: in world axes, with `uv` and a texture.

    Raises:
        MissingDependency: usd-core is not installed.
        ValueError: the mesh has no texture.

    Source: https://openusd.org/release/spec_usdpreviewsurface.html
    """
    if not can_write_usdz():
        raise MissingDependency(INSTALL_USD)
    if mesh.texture is None:
        raise ValueError("a .usdz file is written from a mesh with a texture; call unwrap and bake first")
    from pxr import Usd, UsdGeom, UsdUtils

    with TemporaryDirectory() as folder:
        inner = Path(folder) / f"{path.stem}.usdc"
        stage = Usd.Stage.CreateNew(str(inner))
        UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
        UsdGeom.SetStageMetersPerUnit(stage, 1.0)
        stage.SetDefaultPrim(UsdGeom.Xform.Define(stage, "/object").GetPrim())
        body = _define_mesh(stage, mesh)
        _bind_material(stage, body, mesh, Path(folder))
        stage.GetRootLayer().Save()
        with atomic_path(path) as place:
            UsdUtils.CreateNewUsdzPackage(str(inner), str(place))
    return path


def _define_mesh(stage: Any, mesh: Mesh) -> Any:
    from pxr import Sdf, UsdGeom, Vt

    body = UsdGeom.Mesh.Define(stage, "/object/mesh")
    vertices = to_gltf_axes(mesh.vertices)
    body.CreatePointsAttr(Vt.Vec3fArray.FromNumpy(vertices))
    body.CreateExtentAttr(Vt.Vec3fArray.FromNumpy(np.stack([vertices.min(0), vertices.max(0)])))
    body.CreateFaceVertexCountsAttr(Vt.IntArray.FromNumpy(np.full(len(mesh.faces), 3, np.int32)))
    body.CreateFaceVertexIndicesAttr(Vt.IntArray.FromNumpy(mesh.faces.astype(np.int32).reshape(-1)))
    body.CreateNormalsAttr(Vt.Vec3fArray.FromNumpy(to_gltf_axes(mesh.vertex_normals())))
    body.SetNormalsInterpolation(UsdGeom.Tokens.vertex)
    body.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    uv = UsdGeom.PrimvarsAPI(body).CreatePrimvar("st", Sdf.ValueTypeNames.TexCoord2fArray, UsdGeom.Tokens.vertex)
    uv.Set(Vt.Vec2fArray.FromNumpy(mesh.uv))
    return body


def _bind_material(stage: Any, body: Any, mesh: Mesh, folder: Path) -> None:
    """Bind a material to the mesh; its textures are saved in `folder`."""
    from pxr import Sdf, UsdShade

    assert mesh.texture is not None
    kinds = Sdf.ValueTypeNames
    material = UsdShade.Material.Define(stage, "/object/material")
    surface = _shader(stage, "surface", "UsdPreviewSurface")
    material.CreateSurfaceOutput().ConnectToSource(surface.ConnectableAPI(), "surface")
    reader = _shader(stage, "uv", "UsdPrimvarReader_float2", varname=(kinds.String, "st"))
    color = _texture_shader(stage, "color", folder, to_bytes(mesh.texture), "sRGB", reader)
    _connect(surface, "diffuseColor", kinds.Color3f, color, "rgb", kinds.Float3)
    if mesh.metallic_roughness is None:
        surface.CreateInput("metallic", kinds.Float).Set(0.0)
        surface.CreateInput("roughness", kinds.Float).Set(DEFAULT_ROUGHNESS)
    else:
        metal = _texture_shader(
            stage, "metal", folder, metallic_roughness_image(mesh.metallic_roughness), "raw", reader
        )
        _connect(surface, "roughness", kinds.Float, metal, "g", kinds.Float)
        _connect(surface, "metallic", kinds.Float, metal, "b", kinds.Float)
    UsdShade.MaterialBindingAPI.Apply(body.GetPrim()).Bind(material)


def _shader(stage: Any, name: str, kind: str, **inputs: tuple[Any, Any]) -> Any:
    from pxr import UsdShade

    shader = UsdShade.Shader.Define(stage, f"/object/material/{name}")
    shader.CreateIdAttr(kind)
    for key, (of, value) in inputs.items():
        shader.CreateInput(key, of).Set(value)
    return shader


def _texture_shader(stage: Any, name: str, folder: Path, texels: np.ndarray, space: str, uv: Any) -> Any:
    from pxr import Sdf

    kinds = Sdf.ValueTypeNames
    Image.fromarray(texels).save(folder / f"{name}.png")
    picture = _shader(
        stage, name, "UsdUVTexture", file=(kinds.Asset, f"{name}.png"), sourceColorSpace=(kinds.Token, space),
        wrapS=(kinds.Token, "clamp"), wrapT=(kinds.Token, "clamp"),
    )  # fmt: skip
    _connect(picture, "st", kinds.Float2, uv, "result", kinds.Float2)
    return picture


def _connect(shader: Any, input_name: str, input_type: Any, source: Any, output_name: str, output_type: Any) -> None:
    shader.CreateInput(input_name, input_type).ConnectToSource(source.CreateOutput(output_name, output_type))
