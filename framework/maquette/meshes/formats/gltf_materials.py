"""Base colours of glTF materials: factors, textures with their wrapping, uv sets and transforms."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, features

from maquette.meshes.formats.content import Wrap
from maquette.meshes.formats.gltf_document import GltfDocument
from maquette.meshes.formats.textures import KTX_HINT, decode_texture

GLOSSY = "KHR_materials_pbrSpecularGlossiness"
TRANSFORM = "KHR_texture_transform"
BASISU = "KHR_texture_basisu"
ENCODINGS = {"EXT_texture_webp": "webp", "EXT_texture_avif": "avif", "MSFT_texture_dds": None}  # Pillow's features
WRAPS: dict[Any, Wrap] = {10497: "repeat", 33071: "clamp", 33648: "mirror"}
OTHER_TEXTURES = {
    "normalTexture": "normal map", "occlusionTexture": "occlusion map", "emissiveTexture": "emission",
}  # fmt: skip
UNLIT = "KHR_materials_unlit"


@dataclass(frozen=True, eq=False)
class BaseColor:
    """What a material gives to a surface.

    Args:
        factor: linear RGB [3].
        picture: the texture, or None.
        uv_set: number of the uv set of the texture.
        transform: [2, 3], of the uv, v down.
        wrap: of the texture, across and up.
    """

    factor: np.ndarray
    picture: Image.Image | None = None
    uv_set: int = 0
    transform: np.ndarray | None = None
    wrap: tuple[Wrap, Wrap] = ("repeat", "repeat")


class GltfMaterials:
    """Materials of a document, each read once."""

    def __init__(self, document: GltfDocument) -> None:
        self._document, self._source = document, document.source
        self._colors: dict[int, BaseColor] = {}
        self._pictures: dict[int, Image.Image] = {}

    def base_color(self, index: Any) -> BaseColor:
        """The base colour of a material, without light or transparency."""
        place = self._document.whole(index, "a material's index")
        if place not in self._colors:
            self._colors[place] = self._read(self._document.item("materials", place), place)
        return self._colors[place]

    def _read(self, material: dict[str, Any], index: int) -> BaseColor:
        self._note_left_out(material, index)
        extensions = material.get("extensions", {})
        if GLOSSY in extensions:
            self._source.uses(GLOSSY)
            glossy = extensions[GLOSSY]
            factor, texture = glossy.get("diffuseFactor", [1, 1, 1, 1]), glossy.get("diffuseTexture")
        else:
            metallic = material.get("pbrMetallicRoughness", {})
            factor, texture = metallic.get("baseColorFactor", [1, 1, 1, 1]), metallic.get("baseColorTexture")
        color = np.asarray(factor, np.float64)
        if color.shape not in ((3,), (4,)) or not np.isfinite(color).all():
            raise self._source.broken(f"the colour of materials[{index}] is {factor!r}")
        if (color[:3] < 0).any() or (color[:3] > 1).any():
            self._source.warns(f"the colour of materials[{index}] lies outside 0 to 1 and is clipped")
        color = color[:3].clip(0, 1)
        self._source.uses("base color")
        if texture is None:
            return BaseColor(color)
        return self._with_texture(color, texture)

    def _with_texture(self, factor: np.ndarray, info: dict[str, Any]) -> BaseColor:
        document = self._document
        texture = document.item("textures", info.get("index"))
        uv_set, transform = document.whole(info.get("texCoord", 0), "texCoord"), None
        changes = info.get("extensions", {}).get(TRANSFORM)
        if changes is not None:
            self._source.uses("texture transform")
            uv_set = document.whole(changes.get("texCoord", uv_set), "texCoord")
            transform = _uv_transform(changes)
        sampler = document.item("samplers", texture["sampler"]) if "sampler" in texture else {}
        wraps = sampler.get("wrapS", 10497), sampler.get("wrapT", 10497)
        if not all(wrap in WRAPS for wrap in wraps):
            raise self._source.broken(f"a sampler wraps by {wraps[0]} and {wraps[1]}, which glTF does not know")
        picture = self._picture(self._image_index(texture))
        self._source.uses("texture")
        return BaseColor(factor, picture, uv_set, transform, (WRAPS[wraps[0]], WRAPS[wraps[1]]))

    def _image_index(self, texture: dict[str, Any]) -> Any:
        extensions = texture.get("extensions", {})
        for name, feature in ENCODINGS.items():
            if name in extensions and (feature is None or features.check(feature)):
                self._source.uses(name)
                return extensions[name].get("source")
        if "source" in texture:
            return texture["source"]
        name = next(iter(extensions), "no extension")
        raise self._source.error(
            f"its texture is given by {name} alone, which is not read",
            hint=KTX_HINT if name == BASISU else "save its textures as PNG or JPEG",
        )

    def _picture(self, index: Any) -> Image.Image:
        place = self._document.whole(index, "texture.source")
        if place not in self._pictures:
            image = self._document.item("images", place)
            uri = image.get("uri")
            if uri is not None:
                name = f"images[{place}]" if str(uri).startswith("data:") else str(uri)
                data = self._document.uri_bytes(uri, f"images[{place}]")
            else:
                name = image.get("name") or f"images[{place}]"
                data = bytes(self._document.view_bytes(image.get("bufferView"))[0])
            self._pictures[place] = decode_texture(data, name, self._source)
        return self._pictures[place]

    def _note_left_out(self, material: dict[str, Any], index: int) -> None:
        mode = material.get("alphaMode", "OPAQUE")
        if mode != "OPAQUE":
            name = material.get("name") or f"materials[{index}]"
            self._source.leaves(f"transparency (alphaMode {mode} of {name})")
        for key, feature in OTHER_TEXTURES.items():
            if key in material:
                self._source.leaves(feature)
        if any(material.get("emissiveFactor", ())):
            self._source.leaves("emission")
        metallic = material.get("pbrMetallicRoughness", {})
        if {"metallicRoughnessTexture", "metallicFactor", "roughnessFactor"} & metallic.keys():
            self._source.leaves("metallic and roughness")
        for name in material.get("extensions", {}):
            if name == UNLIT:
                self._source.uses(name)
            elif name != GLOSSY:
                self._source.leaves(name)


def _uv_transform(changes: dict[str, Any]) -> np.ndarray:
    """[2, 3]: scale, then rotation counter-clockwise with v down, then offset (KHR_texture_transform)."""
    (x, y), (across, down) = changes.get("offset", (0, 0)), changes.get("scale", (1, 1))
    angle = float(changes.get("rotation", 0))
    cos, sin = math.cos(angle), math.sin(angle)
    return np.array([[cos * across, sin * down, x], [-sin * across, cos * down, y]], np.float64)
