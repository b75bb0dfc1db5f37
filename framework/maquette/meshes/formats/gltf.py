"""Reading of glTF 2.0: the scene's meshes, placed, instanced, morphed and skinned as its nodes say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from maquette.meshes.formats import draco
from maquette.meshes.formats.content import Content, Part, Points, finite_colors
from maquette.meshes.formats.gltf_document import MESHOPT, GltfDocument
from maquette.meshes.formats.gltf_materials import BASISU, ENCODINGS, GLOSSY, TRANSFORM, UNLIT, BaseColor, GltfMaterials
from maquette.meshes.formats.polygons import fan_triangles, strip_triangles
from maquette.meshes.formats.source import Source
from maquette.meshes.formats.textures import multiply_light, to_srgb

INSTANCING = "EXT_mesh_gpu_instancing"
VISIBILITY = "KHR_node_visibility"
QUANTIZATION = "KHR_mesh_quantization"
READ = {
    QUANTIZATION, INSTANCING, VISIBILITY, GLOSSY, TRANSFORM, UNLIT, draco.EXTENSION, BASISU, *MESHOPT, *ENCODINGS,
}  # fmt: skip
HARMLESS = (
    "KHR_materials_",
    "KHR_lights_",
    "KHR_xmp",
    "KHR_animation_",
    "EXT_lights_",
)  # change neither shape nor base colour
MOST_TRIANGLES = 30_000_000  # of a whole scene, instances counted
POINTS, TRIANGLES, STRIP, FAN = 0, 4, 5, 6


def read_gltf(source: Source) -> Content:
    """Read the default scene of a .gltf or .glb file."""
    document = GltfDocument(source)
    _check_extensions(document)
    return _Scene(document).read()


def _check_extensions(document: GltfDocument) -> None:
    source = document.source
    for name in document.items("extensionsRequired"):
        if name not in READ and not str(name).startswith(HARMLESS):
            raise source.error(
                f"it requires the extension {name}, which is not read", hint="export it without this extension"
            )
    if document.items("animations"):
        source.leaves("animations")
    if document.items("cameras"):
        source.leaves("cameras")
    for name in document.items("extensionsUsed"):
        if name not in READ:
            source.leaves(str(name))


@dataclass(frozen=True, eq=False)
class _Placed:
    """A node with its transform to the scene [4, 4]."""

    index: int
    node: dict[str, Any]
    world: np.ndarray


class _Scene:
    def __init__(self, document: GltfDocument) -> None:
        self.document, self.source = document, document.source
        self.materials = GltfMaterials(document)
        self.content = Content(document.format)
        self.triangles = 0
        self.skipped: dict[str, int] = {}

    def read(self) -> Content:
        placed = list(self._walk())
        self.worlds = {one.index: one.world for one in placed}
        if self.document.items("meshes") and not placed:
            self.source.warns("it has no nodes; its meshes stand where they were modelled")
            placed = [_Placed(-1 - i, {"mesh": i}, np.eye(4)) for i in range(len(self.document.items("meshes")))]
        visible_meshes = set()
        for one in placed:
            if "mesh" in one.node:
                visible_meshes.add(self.document.whole(one.node["mesh"], "node.mesh"))
                self._read_node(one)
        unseen = len(self.document.items("meshes")) - len(visible_meshes)
        if unseen > 0:
            self.source.leaves(f"{unseen} meshes that the scene does not show")
        for kind, count in self.skipped.items():
            self.source.leaves(f"{count} {kind}")
        return self.content

    def _walk(self) -> Iterator[_Placed]:
        document = self.document
        nodes = document.items("nodes")
        scenes = document.items("scenes")
        if scenes:
            if len(scenes) > 1:
                self.source.leaves(f"{len(scenes) - 1} other scenes")
            roots = document.item("scenes", document.tree.get("scene", 0)).get("nodes", [])
        else:
            children = {child for node in nodes for child in node.get("children", ())}
            roots = [index for index in range(len(nodes)) if index not in children]
        pending = [(root, np.eye(4)) for root in reversed(roots)]
        reached: set[int] = set()
        while pending:
            index, parent = pending.pop()
            node = document.item("nodes", index)
            if index in reached:
                raise self.source.broken(f"nodes[{index}] is reached twice: nodes form no tree")
            reached.add(index)
            if node.get("extensions", {}).get(VISIBILITY, {}).get("visible") is False:
                self.source.uses("hidden nodes")
                continue
            world = parent @ self._local(node, index)
            yield _Placed(index, node, world)
            pending += [(child, world) for child in reversed(node.get("children", []))]

    def _local(self, node: dict[str, Any], index: int) -> np.ndarray:
        if "matrix" in node:
            matrix = np.asarray(node["matrix"], np.float64).reshape(4, 4).T
        else:
            turn = node.get("rotation", (0, 0, 0, 1))
            matrix = _transforms(
                np.asarray([node.get("translation", (0, 0, 0))], np.float64), np.asarray([turn], np.float64),
                np.asarray([node.get("scale", (1, 1, 1))], np.float64),
            )[0]  # fmt: skip
        if not np.isfinite(matrix).all():
            raise self.source.broken(f"the transform of nodes[{index}] is not finite")
        return matrix

    def _read_node(self, placed: _Placed) -> None:
        mesh = self.document.item("meshes", placed.node["mesh"])
        weights = placed.node.get("weights", mesh.get("weights", []))
        worlds = placed.world @ self._instances(placed.node)
        for primitive in mesh.get("primitives", []):
            self._read_primitive(primitive, placed, worlds, weights)

    def _instances(self, node: dict[str, Any]) -> np.ndarray:
        """Transforms [n, 4, 4] of the instances of a node's mesh; one if it is not instanced."""
        extension = node.get("extensions", {}).get(INSTANCING)
        if extension is None:
            return np.eye(4)[None]
        self.source.uses("instances")
        names = (("TRANSLATION", "VEC3"), ("ROTATION", "VEC4"), ("SCALE", "VEC3"))
        stored = extension.get("attributes", {})
        read = {name: self.document.array(stored[name], (kind,), name) for name, kind in names if name in stored}
        counts = {len(values) for values in read.values()}
        if len(counts) != 1:
            raise self.source.broken("the attributes of its instances have different counts, or there are none")
        count = counts.pop()
        blank = {"TRANSLATION": (0, 0, 0), "ROTATION": (0, 0, 0, 1), "SCALE": (1, 1, 1)}
        return _transforms(
            *(read.get(name, np.tile(np.array(blank[name], np.float64), (count, 1))) for name, _ in names)
        )

    def _read_primitive(self, primitive: dict[str, Any], placed: _Placed, worlds: np.ndarray, weights: Any) -> None:
        arrays = self._arrays(primitive, weights)
        mode = primitive.get("mode", TRIANGLES)
        if mode in (1, 2, 3):
            self.skipped["primitives of lines"] = self.skipped.get("primitives of lines", 0) + 1
            return
        if mode not in (POINTS, TRIANGLES, STRIP, FAN):
            raise self.source.broken(f"a primitive has the mode {mode!r}")
        color = self.materials.base_color(primitive["material"]) if "material" in primitive else None
        skinned = self._skinned(placed, arrays)
        if skinned is not None:
            shapes = [skinned]
        else:
            local = arrays["POSITION"]
            shapes = [(local @ world[:3, :3].T + world[:3, 3], np.linalg.det(world[:3, :3]) < 0) for world in worlds]
        if mode == POINTS:
            shades = _vertex_colors(arrays, color)
            self.content.points += [Points(positions, shades) for positions, _ in shapes]
            return
        faces = self._faces(arrays, mode)
        self.triangles += len(faces) * len(shapes)
        if self.triangles > MOST_TRIANGLES:
            raise self.source.error(f"it has more than {MOST_TRIANGLES:,} triangles", hint="decimate it first")
        if len(faces):
            for vertices, mirrored in shapes:
                self.content.parts.append(self._part(vertices, faces[:, ::-1] if mirrored else faces, arrays, color))

    def _arrays(self, primitive: dict[str, Any], weights: Any) -> dict[str, np.ndarray]:
        """Attributes by name, morphed, and indices under INDICES."""
        attributes = primitive.get("attributes", {})
        compressed = primitive.get("extensions", {}).get(draco.EXTENSION)
        if "POSITION" not in attributes and not compressed:
            raise self.source.broken("a primitive has no positions")
        arrays = draco.decode(self.document, primitive, compressed) if compressed else None
        if arrays is None:
            arrays = {name: self._attribute(name, index) for name, index in attributes.items() if _is_read(name)}
            if "indices" in primitive:
                arrays["INDICES"] = self.document.array(primitive["indices"], ("SCALAR",), "the indices")[:, 0]
        if "POSITION" not in arrays:
            raise self.source.broken("a primitive has no positions")
        count = len(arrays["POSITION"])
        for name, values in arrays.items():
            if name != "INDICES" and len(values) != count:
                raise self.source.broken(f"{name} has {len(values)} elements for {count} positions")
        if "COLOR_0" in arrays:
            arrays["COLOR_0"] = finite_colors(arrays["COLOR_0"].astype(np.float64), self.source)
            if arrays["COLOR_0"].size and arrays["COLOR_0"].max() > 1:
                self.source.warns("some of its vertex colours are brighter than 1 and are clipped")
        self._morph(arrays, primitive.get("targets", []), weights)
        if not np.isfinite(arrays["POSITION"]).all():
            broken = int((~np.isfinite(arrays["POSITION"])).any(1).sum())
            raise self.source.error(f"the mesh cannot be used: {broken} of its vertices are not finite")
        if "NORMAL" in attributes:
            self.source.leaves("normals")
        self.content.uv_sets = max(self.content.uv_sets, sum(name.startswith("TEXCOORD") for name in attributes))
        return arrays

    def _attribute(self, name: str, index: Any) -> np.ndarray:
        kinds = {"POSITION": ("VEC3",), "TEXCOORD": ("VEC2",), "COLOR": ("VEC3", "VEC4")}
        values = self.document.array(index, kinds.get(name.split("_")[0], ("VEC4",)), name)
        if name.startswith("COLOR") and values.dtype.kind == "i":  # against the specification, but written at times
            component = self.document.item("accessors", index)["componentType"]
            return values / {5121: 255, 5123: 65535}.get(component, 1)
        return values

    def _morph(self, arrays: dict[str, np.ndarray], targets: Any, weights: Any) -> None:
        if not targets:
            return
        scales = np.asarray(weights if len(weights) else np.zeros(len(targets)), np.float64)
        if len(scales) != len(targets) or not np.isfinite(scales).all():
            raise self.source.broken(f"a mesh has {len(targets)} morph targets and {len(scales)} weights")
        if not scales.any():
            self.source.leaves("morph targets, whose default weights are 0")
            return
        self.source.uses("morph targets")
        for target, scale in zip(targets, scales, strict=True):
            for name, index in target.items():
                if scale and name in arrays and name.split("_")[0] in ("POSITION", "TEXCOORD", "COLOR"):
                    change = self._attribute(name, index)
                    if change.shape != arrays[name].shape:
                        raise self.source.broken(f"a morph target of {name} has {len(change)} elements")
                    arrays[name] = arrays[name] + scale * change

    def _skinned(self, placed: _Placed, arrays: dict[str, np.ndarray]) -> tuple[np.ndarray, bool] | None:
        """Vertices in the scene, posed by the joints, and whether they are mirrored; None without a skin."""
        if "skin" not in placed.node or "JOINTS_0" not in arrays or "WEIGHTS_0" not in arrays:
            return None
        self.source.uses("skin")
        skin = self.document.item("skins", placed.node["skin"])
        joints = skin.get("joints", [])
        for joint in joints:
            if joint not in self.worlds:
                raise self.source.broken(f"the joint nodes[{joint}] of a skin is not in the scene")
        matrices = np.stack([self.worlds[joint] for joint in joints])
        if "inverseBindMatrices" in skin:
            inverse = self.document.array(skin["inverseBindMatrices"], ("MAT4",), "inverse bind matrices")
            matrices = matrices @ inverse[: len(joints)].reshape(-1, 4, 4).transpose(0, 2, 1)
        blend = np.zeros((len(arrays["POSITION"]), 4, 4))
        total = np.zeros(len(blend))
        for name in [name for name in arrays if name.startswith("JOINTS_")]:
            which, weight = arrays[name].astype(np.int64), arrays[name.replace("JOINTS", "WEIGHTS")]
            if which.size and which.max() >= len(joints):
                raise self.source.broken(f"joint {which.max()} is outside the {len(joints)} joints of its skin")
            for column in range(4):
                blend += weight[:, column, None, None] * matrices[which[:, column]]
            total += weight.sum(1)
        blend[total <= 0] = placed.world
        blend[total > 0] /= total[total > 0, None, None]
        vertices = np.einsum("vij,vj->vi", blend[:, :3, :3], arrays["POSITION"]) + blend[:, :3, 3]
        return vertices, bool(np.median(np.linalg.det(blend[:, :3, :3])) < 0) if len(blend) else False

    def _faces(self, arrays: dict[str, np.ndarray], mode: int) -> np.ndarray:
        count = len(arrays["POSITION"])
        order = arrays.get("INDICES", np.arange(count)).astype(np.int64)
        if order.size and order.max() >= count:
            raise self.source.broken(f"index {order.max()} is outside {count} vertices")
        if mode == TRIANGLES:
            if len(order) % 3:
                self.source.warns(f"{len(order)} indices are no whole number of triangles; the last are left out")
            return order[: len(order) // 3 * 3].reshape(-1, 3)
        self.source.uses("triangle strips" if mode == STRIP else "triangle fans")
        return order[strip_triangles(len(order)) if mode == STRIP else fan_triangles(len(order))]

    def _part(
        self, vertices: np.ndarray, faces: np.ndarray, arrays: dict[str, np.ndarray], color: BaseColor | None
    ) -> Part:
        if "COLOR_0" in arrays:
            self.source.uses("vertex colors")
        if "COLOR_1" in arrays:
            self.source.leaves("second vertex colors")
        if color is None or color.picture is None:
            if any(name.startswith("TEXCOORD") for name in arrays):
                self.source.leaves("uv without a texture")
            return Part(vertices, faces, _vertex_colors(arrays, color))
        tint = None if "COLOR_0" not in arrays else _light(arrays)
        picture = multiply_light(color.picture, color.factor)
        return Part(vertices, faces, None, picture, self._uv(arrays, color), tint, color.wrap)

    def _uv(self, arrays: dict[str, np.ndarray], color: BaseColor) -> np.ndarray:
        """uv [V, 2], v up, of the texture's set, transformed."""
        name = f"TEXCOORD_{color.uv_set}"
        uv = arrays.get(name)
        if uv is None:
            self.source.warns(f"a texture needs {name}, which its mesh does not have; its first texel is taken")
            uv = np.zeros((len(arrays["POSITION"]), 2))
        self.source.uses("uv")
        uv = uv.astype(np.float64)
        if color.transform is not None:
            uv = uv @ color.transform[:, :2].T + color.transform[:, 2]
        return np.stack([uv[:, 0], 1 - uv[:, 1]], axis=1)


def _is_read(name: str) -> bool:
    return name == "POSITION" or name.startswith(("TEXCOORD_", "COLOR_", "JOINTS_", "WEIGHTS_"))


def _light(arrays: dict[str, np.ndarray]) -> np.ndarray:
    return arrays["COLOR_0"][:, :3].clip(0, 1)


def _vertex_colors(arrays: dict[str, np.ndarray], color: BaseColor | None) -> np.ndarray | None:
    """sRGB [V, 3]: vertex colours times the material's; None where the file gives neither."""
    if "COLOR_0" in arrays:
        return to_srgb(_light(arrays) * (1 if color is None else color.factor))
    return None if color is None else np.tile(to_srgb(color.factor), (len(arrays["POSITION"]), 1))


def _transforms(translations: np.ndarray, rotations: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """Matrices [n, 4, 4] of translations [n, 3], quaternions (x, y, z, w) [n, 4] and scales [n, 3]."""
    lengths = np.linalg.norm(rotations, axis=1, keepdims=True)
    x, y, z, w = np.where(lengths > 0, rotations / np.maximum(lengths, 1e-300), (0.0, 0.0, 0.0, 1.0)).T
    matrices = np.tile(np.eye(4), (len(translations), 1, 1))
    matrices[:, :3, :3] = np.stack([
        1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w),
        2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w),
        2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y),
    ], axis=-1).reshape(-1, 3, 3) * scales[:, None, :]  # fmt: skip
    matrices[:, :3, 3] = translations
    return matrices
