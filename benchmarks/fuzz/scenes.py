"""Pictures, and pictures with cameras, in the layouts that programs write, each with what a right reading holds."""

from __future__ import annotations

import io
import json
import random
import struct

import numpy as np
from balls import OPENCV_FROM_OPENGL, orbit
from PIL import Image
from scipy.spatial.transform import Rotation

from fuzz.case import Case

try:
    from pillow_heif import register_heif_opener
except ImportError:
    HEIF = False
else:
    HEIF = True
    register_heif_opener()

TURNS = {
    2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE", 6: "ROTATE_90", 7: "TRANSVERSE",
    8: "ROTATE_270",
}  # fmt: skip
"""EXIF's orientation -> how an upright picture is turned before it is stored under it (EXIF 2.3, tag 274)."""
LOSSLESS = {
    "PNG": ("RGB", "RGBA", "L", "LA", "P", "1"), "TIFF": ("RGB", "RGBA", "L", "LA", "P", "1"), "BMP": ("RGB", "L", "P"),
    "WEBP": ("RGB", "RGBA"), "GIF": ("P", "L"), "TGA": ("RGB", "RGBA", "L"), "PPM": ("RGB", "L", "1"), "ICO": ("RGBA",),
    "PCX": ("RGB", "L"), "SGI": ("RGB", "RGBA", "L"), "DDS": ("RGBA", "RGB"), "QOI": ("RGBA", "RGB"),
}  # fmt: skip
LOSSY = (
    ("JPEG", "RGB"), ("JPEG", "L"), ("JPEG", "CMYK"), ("TIFF", "CMYK"), ("TIFF", "LAB"), ("JPEG2000", "RGBA"),
    ("AVIF", "RGBA"), ("PNG", "I;16"), ("TIFF", "I;16"), *[("HEIF", "RGB"), ("HEIF", "RGBA")] * HEIF,
)  # fmt: skip
HEIC = struct.pack(">I", 24) + b"ftypheic\0\0\0\0mif1heic" + b"\0" * 64
SUFFIXES = {"JPEG": "jpg", "JPEG2000": "jp2", "TIFF": "tif", "HEIF": "heic"}
TURNED = ("PNG", "TIFF", "WEBP", "JPEG", "AVIF")  # formats with EXIF data
SIDE = (8, 6)  # of the pictures of scenes
LENSES = {"PINHOLE 8 6 9 9 4 3": 1, "SIMPLE_PINHOLE 8 6 9 4 3": 0, "SIMPLE_RADIAL 8 6 9 4 3 0.01": 2, "OPENCV 8 6 9 9 4 3 0.01 0 0 0": 4}  # fmt: skip  # noqa: E501
"""COLMAP's cameras -> the numbers of their models."""
TRANSFORMS = (
    {"fl_x": 9.0, "fl_y": 9.0, "cx": 4.0, "cy": 3.0, "w": 8, "h": 6}, {"camera_angle_x": 0.8},
    {"fl_x": 9, "cx": 4, "cy": 3, "w": 8, "h": 6, "k1": 0.01, "k2": 0, "p1": 0, "p2": 0, "camera_model": "OPENCV"},
)  # fmt: skip


def encode(image: Image.Image, form: str, orientation: int = 1, **more: object) -> bytes:
    """A picture's file; it is stored turned under an EXIF orientation unless that is 1."""
    exif, stream = Image.Exif(), io.BytesIO()
    exif[274] = orientation
    if orientation > 1:
        image, more = image.transpose(Image.Transpose[TURNS[orientation]]), {**more, "exif": exif.tobytes()}
    more |= {"WEBP": {"lossless": True, "exact": True}, "ICO": {"sizes": [image.size]}}.get(form, {})
    image.save(stream, form, **more)
    return stream.getvalue()


def encoded(pixels: np.ndarray, rng: random.Random, lossy: bool = False) -> tuple[str, bytes, np.ndarray]:
    """Pixels [H, W, 4] in a random format: its suffix, the file, and RGBA in [0, 1] as it is to be read."""
    form = rng.choice(list(LOSSLESS))
    form, mode = rng.choice(LOSSY) if lossy else (form, rng.choice(LOSSLESS[form]))
    image = Image.fromarray(pixels).convert({"P": "RGB", "1": "RGB", "I;16": "L", "LAB": "RGB"}.get(mode, mode))
    image = Image.merge("LAB", image.split()) if mode == "LAB" else image.convert(mode)
    more = {"compression": rng.choice(("tiff_lzw", "packbits", "raw"))} if form == "TIFF" and not lossy else {}
    orientation = rng.randint(1, 8) if form in TURNED else 1
    return SUFFIXES.get(form, form.lower()), encode(image, form, orientation, **more), np.asarray(image.convert("RGBA")) / 255  # fmt: skip  # noqa: E501


def make_picture(rng: random.Random) -> Case:
    """A picture of random colours, some of them as the light of the surroundings, or as HEIC that nothing reads."""
    height, width = rng.randint(2, 12), rng.randint(2, 12)
    draws, way = np.random.default_rng(rng.randrange(2**32)), rng.random()
    if way < 0.05 and not HEIF:
        return Case("heic", {"a.heic": HEIC}, "a.heic", expected={"refused": "pillow-heif"})
    if way < 0.15:  # RGBE: a byte of mantissa for each colour, and their exponent
        rgbe = draws.integers(128, 256, (height, 2 * height, 4), np.uint8)
        rgbe[..., 3] = rgbe[..., 3] // 32 + 124
        head = f"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y {height} +X {2 * height}\n".encode()
        expected = {"radiance": np.ldexp(rgbe[..., :3].astype(float), rgbe[..., 3:].astype(int) - 136)}
        return Case("panorama", {"a.hdr": head + rgbe.tobytes()}, "a.hdr", expected=expected, reader="panorama")
    pixels = draws.integers(0, 256, (height, width, 4), np.uint8)
    pixels[..., 3] = pixels[..., 3] // 2 + 128 if rng.random() < 0.5 else 255
    suffix, data, visible = encoded(pixels, rng, lossy := rng.random() < 0.2)
    expected = {"width": width, "height": height, **({} if lossy else {"pixels": visible})}
    return Case("picture", {f"a.{suffix}": data}, f"a.{suffix}", expected=expected)


def make_image(rng: random.Random) -> Case:
    """A picture of an object, by its alpha or a mask, each in a format of its own, some with a map."""
    height, width = rng.randint(8, 16), rng.randint(8, 16)
    pixels = np.random.default_rng(rng.randrange(2**32)).integers(0, 256, (height, width, 4), np.uint8)
    inside = np.zeros((height, width), np.uint8)
    inside[rng.randint(0, 2) : -rng.randint(1, 2), rng.randint(0, 2) : -rng.randint(1, 2)] = 255
    if rng.random() < 0.3:
        pixels[..., 3] = inside
        name, visible = "a.png", pixels / 255
        files = {name: encode(Image.fromarray(pixels), "PNG", rng.randint(1, 8))}
    else:
        pixels[..., 3] = 255
        suffix, data, visible = encoded(pixels, rng)
        form, white = rng.choice(("PNG", "TIFF", "BMP")), Image.fromarray(inside)
        mask = white.convert(rng.choice(("L", "RGB", "1", "P")))
        if rng.random() < 0.2 and form != "BMP":  # one colour, cut out
            mask = Image.merge("RGBA", [Image.new("L", white.size, 90)] * 3 + [white])
        orientation = rng.randint(1, 8) if form in TURNED else 1
        name, files = f"a.{suffix}", {f"a.{suffix}": data, "mask.png": encode(mask, form, orientation)}
        visible = np.dstack([visible[..., :3], inside / 255])
    if rng.random() < 0.4:
        files["map.png"] = encode(Image.new("I;16" if rng.random() < 0.5 else "RGB", (width, height)), "PNG")
    return Case("image", files, name, expected={"pixels": visible}, reader="image")


def make_scene(rng: random.Random) -> Case:
    """Pictures on an orbit with their cameras, in one of the formats; some with captions."""
    count = rng.randint(4, 7)
    poses = [orbit(360 * (i + rng.uniform(-0.3, 0.3)) / count, rng.uniform(-15, 30), 4.0) for i in range(count)]
    names = [f"{i:02d}.png" for i in range(count)]
    loader, files = rng.choice((_colmap, _colmap, _transforms, _cameras))(poses, names, rng)
    picture = encode(Image.new("RGB", SIDE, (200, 30, 30)), "PNG")
    folder = "input/" if b"input" in files.get("transforms.json", b"") else "images/"
    files |= {folder + name: picture for name in names}
    expected = {"cameras": count, "positions": np.array([pose[:3, 3] for pose in poses])}
    if loader == "transforms" or rng.random() < 0.8:  # whose pictures are called by the paths in the file
        return Case(loader, files, expected=expected)
    called = [name.removesuffix(".png") if loader == "cameras" else name for name in names]
    objects = [{"captions": ["a red mug"], "pictures": called[:2]}, {"captions": ["a cup"], "pictures": called[2:]}]
    captions = {"format": "maquette-captions", "version": 1, "objects": objects}
    return Case("captioned", {**files, "captions.json": json.dumps(captions).encode()}, expected=expected, reader="captioned")  # fmt: skip  # noqa: E501


def _colmap(poses: list[np.ndarray], names: list[str], rng: random.Random) -> tuple[str, dict[str, bytes]]:
    place = rng.choice(("sparse/0/", "sparse/", "colmap/sparse/0/", ""))
    lens, points, rows = rng.choice(list(LENSES)), rng.random() < 0.5, list[tuple[int, list[float], str]]()
    for i, (pose, name) in enumerate(zip(poses, names, strict=True)):
        w2c = OPENCV_FROM_OPENGL @ np.linalg.inv(pose)
        x, y, z, w = Rotation.from_matrix(w2c[:3, :3]).as_quat()
        rows.append((i + 1, [w, x, y, z, *w2c[:3, 3]], name))
    rng.shuffle(rows)
    if rng.random() < 0.5:
        lines = ["# Image list with two lines of data per image:"]
        for number, values, name in rows:
            lines += [f"{number} {' '.join(f'{value:.12g}' for value in values)} 7 {name}", "4.0 3.0 1 2 2 -1" * points]
        texts = {"cameras": ["# Camera list", f"7 {lens}"], "images": lines, "points3D": ["1 0 0 0 255 0 0 0.5 1 0 2 0"]}  # fmt: skip  # noqa: E501
        start, end = rng.choice((b"", b"\xef\xbb\xbf")), rng.choice(("\n", "\r\n"))
        return "colmap-text", {f"{place}{name}.txt": start + end.join([*text, ""]).encode() for name, text in texts.items()}  # fmt: skip  # noqa: E501
    numbers, images = [float(word) for word in lens.split()[3:]], struct.pack("<Q", len(rows))
    for number, values, name in rows:
        images += struct.pack("<i7di", number, *values, 7) + name.encode() + b"\0"
        images += struct.pack("<QddQ", 1, 4.0, 3.0, 1) if points else bytes(8)
    tables = {
        "cameras": struct.pack(f"<QiiQQ{len(numbers)}d", 1, 7, LENSES[lens], *SIDE, *numbers), "images": images,
        "points3D": struct.pack("<QQ3d3BdQii", 1, 1, 0, 0, 0, 255, 0, 0, 0.5, 1, 1, 0),
    }  # fmt: skip
    return "colmap-binary", {f"{place}{name}.bin": data for name, data in tables.items()}


def _transforms(poses: list[np.ndarray], names: list[str], rng: random.Random) -> tuple[str, dict[str, bytes]]:
    lens, within = rng.choice(TRANSFORMS), rng.random() < 0.3
    style = rng.choice(("images/{}", "./images/{}", "images\\{}", "input/{}"))
    frames = [
        {"file_path": style.format(name), "transform_matrix": pose.tolist(), **(lens if within else {})}
        for name, pose in zip(names, poses, strict=True)
    ]
    rng.shuffle(frames)
    text = json.dumps({**({} if within else lens), "frames": frames}, indent=rng.choice((None, 1)))
    return "transforms", {"transforms.json": rng.choice((b"", b"\xef\xbb\xbf")) + text.encode()}


def _cameras(poses: list[np.ndarray], names: list[str], rng: random.Random) -> tuple[str, dict[str, bytes]]:
    frames = [{"file": f"images/{name}", "c2w": pose.tolist()} for name, pose in zip(names, poses, strict=True)]
    content = {"format": "maquette-posed-images", "version": 1, "fov_y_deg": 40.0, "frames": frames}
    return "cameras", {"cameras.json": json.dumps(content).encode()}
