"""Pictures, and pictures with cameras, in the layouts that programs write, each with what a right reading holds."""

from __future__ import annotations

import io
import json
import math
import random
import struct

import numpy as np
from PIL import Image

from fuzz.case import Case

ORIENTATIONS = {
    1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1), 6: lambda a: np.rot90(a, -1), 7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a),
}  # fmt: skip
"""EXIF's orientation -> the picture as it is seen (EXIF 2.3, tag 274)."""
LOSSLESS = {
    "PNG": ("RGB", "RGBA", "L", "LA", "P", "1"), "TIFF": ("RGB", "RGBA", "L", "LA", "P", "1"), "BMP": ("RGB", "L", "P"),
    "WEBP": ("RGB", "RGBA"), "GIF": ("P", "L"), "TGA": ("RGB", "RGBA", "L"), "PPM": ("RGB", "L", "1"), "ICO": ("RGBA",),
    "PCX": ("RGB", "L"), "SGI": ("RGB", "RGBA", "L"), "DDS": ("RGBA", "RGB"), "QOI": ("RGBA", "RGB"),
}  # fmt: skip
LOSSY = (
    ("JPEG", "RGB"), ("JPEG", "L"), ("JPEG", "CMYK"), ("TIFF", "CMYK"), ("TIFF", "LAB"), ("JPEG2000", "RGBA"),
    ("AVIF", "RGBA"), ("PNG", "I;16"), ("TIFF", "I;16"),
)  # fmt: skip
SUFFIXES = {"JPEG": "jpg", "JPEG2000": "jp2", "TIFF": "tif"}
SIDE = (8, 6)  # of the pictures of scenes


def encode(image: Image.Image, form: str, orientation: int = 1, **more: object) -> bytes:
    """A picture's file, with an orientation in its EXIF data unless it is 1."""
    exif = Image.Exif()
    exif[274] = orientation
    stream = io.BytesIO()
    image.save(stream, form, **({"exif": exif.tobytes()} if orientation > 1 else {}), **more)
    return stream.getvalue()


def make_picture(rng: random.Random) -> Case:
    """A picture of random colours in a random format, turned by its EXIF data where the format has them."""
    shape = (rng.randint(2, 12), rng.randint(2, 12))
    pixels = np.random.default_rng(rng.randrange(2**32)).integers(0, 256, (*shape, 4), np.uint8)
    pixels[..., 3] = pixels[..., 3] // 2 + 128 if rng.random() < 0.5 else 255
    lossy = rng.random() < 0.2
    form = rng.choice(list(LOSSLESS))
    form, mode = rng.choice(LOSSY) if lossy else (form, rng.choice(LOSSLESS[form]))
    image = Image.fromarray(pixels).convert({"P": "RGB", "1": "RGB", "I;16": "L", "LAB": "RGB"}.get(mode, mode))
    image = Image.merge("LAB", image.split()) if mode == "LAB" else image.convert(mode)
    orientation = rng.randint(1, 8) if form in ("PNG", "TIFF", "WEBP", "JPEG", "AVIF") else 1
    stored = pixels / 255 if lossy else np.asarray(image.convert("RGBA")) / 255
    upright = ORIENTATIONS[orientation](stored)
    expected = {"width": upright.shape[1], "height": upright.shape[0], **({} if lossy else {"pixels": upright})}
    more = {"WEBP": {"lossless": True, "exact": True}, "ICO": {"sizes": [image.size]}}.get(form, {})
    if form == "TIFF" and not lossy and rng.random() < 0.5:
        more = {"compression": rng.choice(("tiff_lzw", "packbits", "tiff_deflate"))}
    name = f"a.{SUFFIXES.get(form, form.lower())}"
    return Case("picture", {name: encode(image, form, orientation, **more)}, name, expected=expected)


def _look(position: np.ndarray) -> np.ndarray:
    """The camera at a position that looks at the origin, z up: camera to world, OpenGL axes."""
    back = position / np.linalg.norm(position)
    right = np.cross([0, 0, 1], back)
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3] = np.stack([right, np.cross(back, right), back, position], axis=1)
    return pose


def _quaternion(matrix: np.ndarray) -> np.ndarray:
    """w, x, y, z of a rotation, by the eigenvector of the greatest eigenvalue (Bar-Itzhack 2000)."""
    m = matrix
    k = np.array([
        [m[0, 0] - m[1, 1] - m[2, 2], 0, 0, 0], [m[1, 0] + m[0, 1], m[1, 1] - m[0, 0] - m[2, 2], 0, 0],
        [m[2, 0] + m[0, 2], m[2, 1] + m[1, 2], m[2, 2] - m[0, 0] - m[1, 1], 0],
        [m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1], np.trace(m)],
    ])  # fmt: skip
    return np.linalg.eigh(k / 3)[1][[3, 0, 1, 2], -1]


def make_scene(rng: random.Random) -> Case:
    """Pictures on an orbit with their cameras, in one of the formats."""
    count = rng.randint(4, 7)
    angles = [2 * math.pi * (i + rng.uniform(-0.3, 0.3)) / count for i in range(count)]
    positions = np.array([[4 * math.cos(a), 4 * math.sin(a), rng.uniform(-1, 2)] for a in angles])
    poses = [_look(position) for position in positions]
    names = [f"{i:02d}.png" for i in range(count)]
    image = encode(Image.new("RGB", SIDE, (200, 30, 30)), "PNG")
    folder = rng.choice(("images/", "images/", "input/"))
    writer = rng.choice((_colmap_text, _colmap_binary, _transforms, _cameras))
    loader, files = writer(poses, names, rng)
    if writer is _transforms:
        files = {name: content.replace(b"images", folder[:-1].encode()) for name, content in files.items()}
    else:
        folder = "images/"
    pictures = {folder + name: image for name in names}
    return Case(loader, {**files, **pictures}, expected={"cameras": count, "positions": positions})


def _world_to_camera(pose: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """COLMAP's rotation and translation: its cameras look along z, with y down."""
    rotation = (pose[:3, :3] * [1, -1, -1]).T
    return rotation, -rotation @ pose[:3, 3]


def _colmap_text(poses: list[np.ndarray], names: list[str], rng: random.Random) -> tuple[str, dict[str, bytes]]:
    model = rng.choice(
        (
            "PINHOLE 8 6 9 9 4 3",
            "SIMPLE_PINHOLE 8 6 9 4 3",
            "SIMPLE_RADIAL 8 6 9 4 3 0.01",
            "OPENCV 8 6 9 9 4 3 0.01 0 0 0",
        )
    )
    lines = ["# Image list with two lines of data per image:"]
    order = list(range(len(names)))
    rng.shuffle(order)
    points = rng.choice(("", "4.0 3.0 1 2 2 -1"))
    for i in order:
        rotation, translation = _world_to_camera(poses[i])
        numbers = " ".join(f"{value:.12g}" for value in [*_quaternion(rotation), *translation])
        lines += [f"{i + 1} {numbers} 7 {names[i]}", points]
    place, end = rng.choice(("sparse/0/", "sparse/", "colmap/sparse/0/", "")), rng.choice(("\n", "\r\n"))
    texts = {
        "cameras.txt": ["# Camera list with one line of data per camera:", f"7 {model}"], "images.txt": lines,
        "points3D.txt": ["# 3D point list", "1 0 0 0 255 0 0 0.5 1 0 2 0"],
    }  # fmt: skip
    start = rng.choice((b"", b"\xef\xbb\xbf"))
    return "colmap-text", {place + name: start + end.join([*text, ""]).encode() for name, text in texts.items()}


def _colmap_binary(poses: list[np.ndarray], names: list[str], rng: random.Random) -> tuple[str, dict[str, bytes]]:
    number, parameters = rng.choice(
        ((1, (9, 9, 4, 3)), (0, (9, 4, 3)), (2, (9, 4, 3, 0.01)), (4, (9, 9, 4, 3, 0.01, 0, 0, 0)))
    )
    cameras = struct.pack(f"<QiiQQ{len(parameters)}d", 1, 7, number, *SIDE, *parameters)
    images = struct.pack("<Q", len(names))
    for i, name in enumerate(names):
        rotation, translation = _world_to_camera(poses[i])
        points = struct.pack("<QddQ", 1, 4.0, 3.0, 1) if rng.random() < 0.5 else struct.pack("<Q", 0)
        images += struct.pack("<i7di", i + 1, *_quaternion(rotation), *translation, 7) + name.encode() + b"\0" + points
    cloud = struct.pack("<QQ3d3BdQii", 1, 1, 0, 0, 0, 255, 0, 0, 0.5, 1, 1, 0)
    place = rng.choice(("sparse/0/", "sparse/", "colmap/sparse/0/", ""))
    return "colmap-binary", {
        place + "cameras.bin": cameras,
        place + "images.bin": images,
        place + "points3D.bin": cloud,
    }


def _transforms(poses: list[np.ndarray], names: list[str], rng: random.Random) -> tuple[str, dict[str, bytes]]:
    lens = rng.choice((
        {"fl_x": 9.0, "fl_y": 9.0, "cx": 4.0, "cy": 3.0, "w": 8, "h": 6}, {"camera_angle_x": 0.8},
        {"fl_x": 9, "cx": 4, "cy": 3, "w": 8, "h": 6, "k1": 0.01, "k2": 0, "p1": 0, "p2": 0, "camera_model": "OPENCV"},
    ))  # fmt: skip
    within = rng.random() < 0.3
    style = rng.choice(("images/{}", "./images/{}", "images\\{}", "images/{}"))
    frames = [
        {"file_path": style.format(name), "transform_matrix": pose.tolist()}
        for name, pose in zip(names, poses, strict=True)
    ]
    rng.shuffle(frames)
    if within:
        frames = [{**frame, **lens} for frame in frames]
    text = json.dumps({**({} if within else lens), "frames": frames}, indent=rng.choice((None, 1)))
    return "transforms", {"transforms.json": rng.choice((b"", b"\xef\xbb\xbf")) + text.encode()}


def _cameras(poses: list[np.ndarray], names: list[str], rng: random.Random) -> tuple[str, dict[str, bytes]]:
    frames = [{"file": f"images/{name}", "c2w": pose.tolist()} for name, pose in zip(names, poses, strict=True)]
    content = {"format": "maquette-posed-images", "version": 1, "fov_y_deg": 40.0, "frames": frames}
    return "cameras", {"cameras.json": json.dumps(content).encode()}
