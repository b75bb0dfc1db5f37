"""Parts of mesh files with all that colours them folded into vertex colours, or into one texture with plain uv."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image
from scipy.ndimage import distance_transform_edt

from maquette.meshes.atlas import TexturedPart, color_palette
from maquette.meshes.formats.content import Part
from maquette.meshes.formats.textures import multiply_light, sample_texture, to_light, to_srgb
from maquette.meshes.mesh import Mesh
from maquette.meshes.texture import rasterize_uv, unwrap

DEFAULT_COLOR = (1.0, 1.0, 1.0)  # of a part without colours among coloured ones, as in glTF 2.0
MOST_BAKED = 200_000  # faces; larger meshes are not unwrapped, but get one colour for each face
TEXELS_PER_FACE = 36  # of a gradient of vertex colours that becomes a texture
BAKED_SIZES = (64, 2048)  # smallest and largest side of a texture that is baked here
SAMPLES = 400_000  # points at which a mesh's mean colour is taken, about


def plain_part(part: Part) -> Part:
    """The same part without tint, with a texture that repeats beyond [0, 1], or with vertex colours alone."""
    if part.picture is None or part.uv is None:
        return part
    if part.tint is not None:
        texels = np.asarray(part.picture)
        if np.ptp(part.tint, axis=0).max() == 0:
            part = replace(part, picture=multiply_light(part.picture, part.tint[0]), tint=None)
        elif (texels == texels[0, 0]).all():
            return Part(part.vertices, part.faces, to_srgb(to_light(texels[0, 0] / 255) * part.tint))
    part = _unmirrored(part)
    assert part.uv is not None
    outside = [bool((axis < -1e-5).any() or (axis > 1 + 1e-5).any()) for axis in part.uv.T]
    clamped = any(out and wrap == "clamp" for out, wrap in zip(outside, part.wrap, strict=True))
    return _bake(part) if part.tint is not None or clamped else part


def textured_part(part: Part) -> TexturedPart:
    """A plain part as a textured one; colours of vertices become texels."""
    if part.picture is not None and part.uv is not None:
        return TexturedPart(part.vertices, part.faces, part.uv, part.picture)
    colors = vertex_colors(part)
    corners = colors[part.faces]
    if np.ptp(corners, axis=1).max() > 1 / 255 and len(part.faces) <= MOST_BAKED:
        return textured_part(_bake(replace(part, colors=colors)))
    distinct, which = np.unique(corners.mean(1), axis=0, return_inverse=True)
    picture, uv = color_palette(distinct)
    vertices, faces = part.vertices[part.faces].reshape(-1, 3), np.arange(3 * len(part.faces)).reshape(-1, 3)
    return TexturedPart(vertices, faces, np.repeat(uv[which.reshape(-1)], 3, axis=0), picture)


def vertex_colors(part: Part) -> np.ndarray:
    """sRGB [V, 3] of a part without a texture."""
    return part.colors if part.colors is not None else np.tile(DEFAULT_COLOR, (len(part.vertices), 1))


def mean_color(mesh: Mesh) -> list[float] | None:
    """Mean sRGB colour [3] over a mesh's surface, from points spread evenly over its faces; None without colours."""
    if mesh.texture is None and mesh.vertex_colors is None:
        return None
    areas = mesh.face_areas
    if not areas.sum() > 0:
        areas = np.ones(len(mesh.faces))
    if mesh.texture is None or mesh.uv is None:
        assert mesh.vertex_colors is not None
        colors = mesh.vertex_colors[mesh.faces].mean(1)
    else:
        weights = _spread(max(1, min(64, round((SAMPLES / len(mesh.faces)) ** 0.5))))
        places = np.einsum("wk,fkd->wfd", weights, mesh.uv[mesh.faces])
        colors = sample_texture(mesh.texture, places.reshape(-1, 2), nearest=True).reshape(*places.shape[:2], 3).mean(0)
    return [round(float(value), 4) for value in (colors * areas[:, None]).sum(0) / areas.sum()]


def colors_at_vertices(part: Part) -> np.ndarray | None:
    """sRGB [V, 3] of any part at its vertices, its texture looked up there; None if the file gives no colours."""
    if part.picture is None or part.uv is None:
        return part.colors
    colors = sample_texture(np.asarray(part.picture, np.float64) / 255, part.uv, part.wrap, nearest=True)
    return colors if part.tint is None else to_srgb(to_light(colors) * part.tint)


def _spread(side: int) -> np.ndarray:
    """Barycentric centres [side^2, 3] of a triangle's equal parts."""
    i, j = np.divmod(np.arange(side * side), side)
    up = i + j < side
    a, b = np.where(up, i + 1 / 3, side - i - 1 / 3), np.where(up, j + 1 / 3, side - j - 1 / 3)
    return np.stack([side - a - b, a, b], axis=-1) / side


def _unmirrored(part: Part) -> Part:
    """A part whose mirrored texture repeats as a picture of twice the size."""
    assert part.uv is not None and part.picture is not None
    uv, texels, wrap = part.uv.copy(), np.asarray(part.picture), list(part.wrap)
    for axis in (0, 1):
        if wrap[axis] != "mirror":
            continue
        wrap[axis] = "repeat"
        if (uv[:, axis] >= 0).all() and (uv[:, axis] <= 1).all():
            continue
        if axis == 0:
            texels = np.concatenate([texels, texels[:, ::-1]], axis=1)
        else:
            texels = np.concatenate([texels[::-1], texels], axis=0)
        uv[:, axis] /= 2
    return replace(part, uv=uv, picture=Image.fromarray(texels), wrap=(wrap[0], wrap[1]))


def _bake(part: Part) -> Part:
    """A part with an atlas of its own, into which texture, tint and vertex colours are written."""
    mesh = Mesh(_centred(part.vertices), part.faces)
    if len(mesh.faces) > MOST_BAKED:
        raise ValueError(f"its texture would be baked anew, for more than {MOST_BAKED:,} faces; decimate it first")
    side = len(mesh.faces) ** 0.5 * TEXELS_PER_FACE**0.5
    if part.picture is not None:
        side = max(side, *part.picture.size)
    size = int(np.clip(np.ceil(side), *BAKED_SIZES))
    cut = unwrap(mesh, size)  # the same faces in the same order
    assert cut.uv is not None
    face, weights = rasterize_uv(cut.uv, cut.faces, size)
    covered = face >= 0
    if not covered.any():
        raise ValueError("its faces have no area")
    corners, at = part.faces[face[covered]], weights[covered].astype(np.float64)

    def mix(values: np.ndarray) -> np.ndarray:
        return np.einsum("nk,nkd->nd", at, values[corners])

    if part.picture is not None and part.uv is not None:
        texels = np.asarray(part.picture, np.float64) / 255
        light = to_light(sample_texture(texels, mix(part.uv), part.wrap))
        colors = to_srgb(light if part.tint is None else light * mix(part.tint))
    else:
        colors = mix(vertex_colors(part))
    baked = np.zeros((size, size, 3), np.uint8)
    baked[covered] = np.round(colors.clip(0, 1) * 255)
    row, column = distance_transform_edt(~covered, return_distances=False, return_indices=True)
    vertices = np.zeros((len(cut.vertices), 3))
    vertices[cut.faces.reshape(-1)] = part.vertices[part.faces.reshape(-1)]
    return Part(vertices, cut.faces, None, Image.fromarray(baked[row, column]), cut.uv.astype(np.float64))


def _centred(vertices: np.ndarray) -> np.ndarray:
    """Vertices with the middle at the origin and an extent of 1, which single precision holds well."""
    low, high = vertices.min(0), vertices.max(0)
    return (vertices - (low + high) / 2) / max(float((high - low).max()), 1e-30)
