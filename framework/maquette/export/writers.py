"""Writers of mesh and point files: `.glb`, `.obj` with `.mtl` and `.png`, `.ply`; all are written atomically.

Axes: `.obj` and `.ply` keep the world's (z up, front along +x), as their formats fix none. glTF does: y up, front
along +z. `.glb` files are therefore turned by (x, y, z) -> (y, z, x), a rotation, and say so under `asset.extras`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from maquette.files import atomic_path
from maquette.images.color import srgb_to_linear
from maquette.images.pixels import to_bytes
from maquette.meshes.mesh import Mesh

GLTF_AXES = (1, 2, 0)  # glTF's x, y, z are the world's y, z, x
AXES_NOTE = "world axes: right-handed, z up, front along +x"
DEFAULT_ROUGHNESS = 0.9  # for subjects without roughness; high, as their colours may contain baked light
CLAMPED_SAMPLER = {"magFilter": 9729, "minFilter": 9987, "wrapS": 33071, "wrapT": 33071}
"""glTF's sampler with bilinear lookups, trilinear ones in mip levels, and clamped borders."""


def to_gltf_axes(vectors: np.ndarray) -> np.ndarray:
    """Convert world vectors [..., 3] to glTF's axes: the front (+x) becomes +z, up (+z) becomes +y."""
    return np.ascontiguousarray(np.asarray(vectors)[..., list(GLTF_AXES)])


def write_glb(path: Path, mesh: Mesh) -> Path:
    """Write binary glTF 2.0 in glTF's axes, with a PBR material: the texture or the vertex colours as base colour.

    Metallic and roughness are a texture where the mesh has one (roughness in G, metallic in B, linear: glTF 2.0,
    sec. 3.9.2), and otherwise 0 and `DEFAULT_ROUGHNESS`. Textures are clamped at their borders.

    Args:
        path: file to write.
        mesh: in world axes; vertex colours are converted from sRGB to linear, as glTF requires.
    """
    import trimesh

    turned = trimesh.Trimesh(
        to_gltf_axes(mesh.vertices), mesh.faces, vertex_normals=to_gltf_axes(mesh.vertex_normals()), process=False
    )
    turned.visual = _gltf_material(mesh)
    extras = {"axes": "y up, front along +z", "from": f"{AXES_NOTE}; (x, y, z) -> (y, z, x)"}

    def annotate(tree: dict[str, Any]) -> None:
        tree["asset"] = {"version": "2.0", "generator": "maquette", "extras": extras}
        if "textures" in tree:
            tree["samplers"] = [CLAMPED_SAMPLER]
            tree["textures"] = [{**texture, "sampler": 0} for texture in tree["textures"]]

    scene = trimesh.Scene()
    scene.add_geometry(turned, geom_name=path.stem, node_name=path.stem)
    with atomic_path(path) as place:
        place.write_bytes(scene.export(file_type="glb", include_normals=True, tree_postprocessor=annotate))
    return path


def write_obj(path: Path, mesh: Mesh) -> list[Path]:
    """Write Wavefront OBJ in world axes, with `<stem>.mtl` and `<stem>.png` for a texture; returns all paths.

    The material is the base colour alone: OBJ has no standard for metallic and roughness.
    """
    import trimesh

    body = trimesh.Trimesh(mesh.vertices, mesh.faces, vertex_normals=mesh.vertex_normals(), process=False)
    if mesh.texture is not None:
        picture = Image.fromarray(to_bytes(mesh.texture))
        material = trimesh.visual.material.SimpleMaterial(picture, [255] * 4, [255] * 4, [0] * 4, name=path.stem)
        body.visual = trimesh.visual.TextureVisuals(uv=mesh.uv, material=material)
    elif mesh.vertex_colors is not None:
        body.visual = trimesh.visual.ColorVisuals(body, vertex_colors=to_bytes(mesh.vertex_colors))
    text, companions = trimesh.exchange.obj.export_obj(
        body, include_normals=True, return_texture=True, mtl_name=f"{path.stem}.mtl", digits=6,
        header=f"maquette; {AXES_NOTE}",
    )  # fmt: skip
    for name, content in companions.items():
        with atomic_path(path.with_name(name)) as place:
            place.write_bytes(content)
    with atomic_path(path) as place:
        place.write_text(text + "\n", encoding="utf-8")
    return [path, *(path.with_name(name) for name in sorted(companions))]


def write_ply(path: Path, mesh: Mesh) -> Path:
    """Write binary PLY in world axes, with normals, and vertex colours if the mesh has them."""
    import trimesh

    body = trimesh.Trimesh(mesh.vertices, mesh.faces, vertex_normals=mesh.vertex_normals(), process=False)
    if mesh.vertex_colors is not None:
        body.visual = trimesh.visual.ColorVisuals(body, vertex_colors=to_bytes(mesh.vertex_colors))
    with atomic_path(path) as place:
        place.write_bytes(trimesh.exchange.ply.export_ply(body, vertex_normal=True))
    return path


def write_points(path: Path, points: np.ndarray, colors: np.ndarray, normals: np.ndarray | None = None) -> Path:
    """Write binary PLY of points in world axes.

    Args:
        path: file to write.
        points: [N, 3] in scene units.
        colors: sRGB [N, 3] in [0, 1].
        normals: unit normals [N, 3]; None leaves them out.
    """
    columns = [("x y z", "<f4", "float", points)]
    columns += [("nx ny nz", "<f4", "float", normals)] if normals is not None else []
    columns += [("red green blue", "u1", "uchar", to_bytes(colors))]
    fields = [(name, dtype) for names, dtype, _, _ in columns for name in names.split()]
    rows = np.empty(len(points), dtype=fields)
    for names, _, _, values in columns:
        for i, name in enumerate(names.split()):
            rows[name] = np.asarray(values)[:, i]
    header = ["ply", "format binary_little_endian 1.0", f"comment maquette; {AXES_NOTE}", f"element vertex {len(rows)}"]
    header += [f"property {kind} {name}" for names, _, kind, _ in columns for name in names.split()]
    with atomic_path(path) as place:
        place.write_bytes("\n".join([*header, "end_header", ""]).encode() + rows.tobytes())
    return path


def metallic_roughness_image(metallic_roughness: np.ndarray) -> np.ndarray:
    """glTF's texture [H, W, 3] uint8 of metallic and roughness [H, W, 2]: G is roughness, B metallic, R unused."""
    metallic, roughness = metallic_roughness[..., 0], metallic_roughness[..., 1]
    return to_bytes(np.stack([np.ones_like(metallic), roughness, metallic], axis=-1))  # R: no occlusion


def _gltf_material(mesh: Mesh) -> Any:
    import trimesh

    material = trimesh.visual.material.PBRMaterial(
        name="surface", baseColorFactor=[255, 255, 255, 255], metallicFactor=0.0, roughnessFactor=DEFAULT_ROUGHNESS
    )
    if mesh.texture is not None:
        material.baseColorTexture = Image.fromarray(to_bytes(mesh.texture))
        if mesh.metallic_roughness is not None:
            material.metallicRoughnessTexture = Image.fromarray(metallic_roughness_image(mesh.metallic_roughness))
            material.metallicFactor = material.roughnessFactor = 1.0  # factors of the texture
        return trimesh.visual.TextureVisuals(uv=mesh.uv, material=material)
    if mesh.vertex_colors is not None:
        linear = srgb_to_linear(torch.from_numpy(mesh.vertex_colors)).numpy()
        return trimesh.visual.ColorVisuals(vertex_colors=to_bytes(linear))
    return trimesh.visual.TextureVisuals(uv=np.zeros((len(mesh.vertices), 2)), material=material)
