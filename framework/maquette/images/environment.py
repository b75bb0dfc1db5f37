"""Environment maps: lat-long radiance maps, their coordinates, and reading them from files.

Materials are lit by them, and backgrounds show them.

A map's middle lies in direction +x, its top row is up (+z), and going right in the picture is turning right: the
picture is the view of a camera at the origin, so azimuth, which grows counter-clockwise, falls from left to right.
"""

from __future__ import annotations

import math
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from maquette.annotations import PathKind
from maquette.errors import ConfigError
from maquette.images.color import srgb_to_linear
from maquette.images.decoding import decode_picture
from maquette.images.reading import picture_of
from maquette.kernels.rasterise import sample_texture

STUDIO = "studio"
FLOAT_FORMATS = (".hdr", ".exr")
BYTE_FORMATS = (".png", ".jpg", ".jpeg")

# Soft boxes of the studio: azimuth and elevation in degrees, radiance at the middle, sharpness s of exp(s (cos - 1)).
_SOFT_BOXES = ((40.0, 45.0, 3.8, 14.0), (-65.0, 15.0, 1.2, 4.0), (165.0, 30.0, 2.8, 18.0))
_SKY, _GROUND = 0.33, 0.12  # radiance straight above and straight below, blended linearly in z

# ffmpeg's names of the sample layouts that its .hdr and .exr decoders give: planes (green, blue, red, alpha), type
_LAYOUTS = {
    "gbrpf32le": (3, "<f4"), "gbrapf32le": (4, "<f4"), "grayf32le": (1, "<f4"),
    "gbrpf16le": (3, "<f2"), "gbrapf16le": (4, "<f2"), "grayf16le": (1, "<f2"),
}  # fmt: skip


Environment = Annotated[str, PathKind("input", words=(STUDIO,))]


@dataclass(frozen=True)
class EnvironmentConfig:
    """Choice, rotation and exposure of an environment map; base of the configs of materials and backgrounds."""

    environment: Environment = STUDIO  # "studio", or path of a lat-long picture: .hdr, .exr, or 8-bit .png, .jpg
    rotation_deg: float = 0.0  # rotation about z, counter-clockwise from above
    exposure: float = 0.0  # in stops: radiance is multiplied by 2^exposure

    def __post_init__(self) -> None:
        path = Path(self.environment).expanduser()
        formats = ", ".join((*FLOAT_FORMATS, *BYTE_FORMATS))
        if self.environment != STUDIO and path.suffix.lower() not in (*FLOAT_FORMATS, *BYTE_FORMATS):
            raise ValueError(
                f"environment is {STUDIO!r} or the path of a picture ({formats}), not {self.environment!r}"
            )
        if self.environment != STUDIO and not path.is_file():
            raise ValueError(f"environment: there is no file {self.environment!r}; {STUDIO!r} needs none")

    def panorama(self, height: int | None = None) -> Float[Tensor, "H W 3"]:
        """Radiance map with `height` rows and twice as many columns; None keeps the file's size.

        Raises:
            ConfigError: the file cannot be read as a lat-long picture.
        """
        if self.environment == STUDIO:
            radiance = studio_radiance(latlong_directions(height or 128))
        else:
            radiance = read_panorama(Path(self.environment).expanduser())
            radiance = resize_panorama(radiance, height) if height else radiance
        return radiance * 2.0**self.exposure


def latlong_uv(directions: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n 2"]:
    """Map coordinates of directions of any length: u = 1/2 - azimuth / (2 pi), v = (angle from +z) / pi.

    Differentiable; at the poles, where u is not defined, it is 1/2 and has no gradient.

    Example:
        >>> latlong_uv(torch.tensor([[1.0, 0, 0], [0, -1, 0], [0, 0, 1]]))
        tensor([[0.5000, 0.5000],
                [0.7500, 0.5000],
                [0.5000, 0.0000]])
    """
    x, y, z = directions.unbind(-1)
    across = x.square() + y.square()
    pole = across < 1e-12
    azimuth = torch.atan2(y.masked_fill(pole, 0.0), x.masked_fill(pole, 1.0))
    from_top = torch.atan2(across.clamp(min=1e-12).sqrt().masked_fill(pole, 0.0), z)
    return torch.stack([0.5 - azimuth / (2 * math.pi), from_top / math.pi], dim=-1)


def latlong_directions(height: int) -> Float[Tensor, "H W 3"]:
    """Unit directions of the texel centres of a map with `height` rows and twice as many columns."""
    from_top = (torch.arange(height) + 0.5) * (math.pi / height)
    azimuth = math.pi * (1 - (torch.arange(2 * height) + 0.5) / height)
    across = from_top.sin()[:, None]
    up = from_top.cos()[:, None].expand(height, 2 * height)
    return torch.stack([across * azimuth.cos(), across * azimuth.sin(), up], dim=-1)


def solid_angles(height: int, width: int) -> Float[Tensor, " H"]:
    """Solid angle of a texel in each row, in steradians; `width` times their sum is 4 pi."""
    edges = torch.cos(torch.arange(height + 1, dtype=torch.float64) * (math.pi / height))
    return ((edges[:-1] - edges[1:]) * (2 * math.pi / width)).float()


def sample_panorama(
    maps: Float[Tensor, "L H W C"],
    directions: Float[Tensor, "*n 3"],
    map_index: Int[Tensor, "*n"] | None = None,
    rotation_deg: float = 0.0,
) -> Float[Tensor, "*n C"]:
    """Sample environment maps bilinearly by direction; differentiable in both.

    Args:
        maps: L maps of one size; they wrap around horizontally.
        directions: of any length.
        map_index: the map of each direction; None takes the first.
        rotation_deg: rotation of the maps about z, counter-clockwise from above.
    """
    count, height, width, channels = maps.shape
    u, v = latlong_uv(directions).unbind(-1)
    row = (v * height).clamp(0.5, height - 0.5)  # within its map: nothing lies beyond a pole
    row = row if map_index is None else row + map_index * height
    uv = torch.stack([u + rotation_deg / 360, row / (count * height)], dim=-1)
    stacked = maps.reshape(1, count * height, width, channels)
    values = sample_texture(stacked, uv.reshape(1, 1, -1, 2), wrap="repeat")
    return values.reshape(*directions.shape[:-1], channels)


def studio_radiance(directions: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n 3"]:
    """Radiance of a neutral studio: a key, a fill and a rim light as soft boxes, a light ceiling and a dark floor.

    A soft box is a spherical Gaussian a exp(s (d . m - 1)). All is scaled so that the largest radiance of a white
    Lambertian surface is 1.
    """
    z = directions[..., 2]
    radiance = _GROUND + (_SKY - _GROUND) * (z + 1) / 2
    for azimuth_deg, elevation_deg, amount, sharpness in _SOFT_BOXES:
        azimuth, elevation = math.radians(azimuth_deg), math.radians(elevation_deg)
        middle = torch.tensor(
            [math.cos(elevation) * math.cos(azimuth), math.cos(elevation) * math.sin(azimuth), math.sin(elevation)]
        ).to(directions)
        radiance = radiance + amount * torch.exp(sharpness * (directions @ middle - 1))
    return radiance[..., None].expand(*z.shape, 3)


def resize_panorama(panorama: Float[Tensor, "h w 3"], height: int) -> Float[Tensor, "H W 3"]:
    """Resize a map to `height` rows by area averaging weighted by solid angle."""
    weight = solid_angles(*panorama.shape[:2])[:, None, None].expand_as(panorama)
    light, area = (adaptive_avg_pool2d(x.permute(2, 0, 1), (height, 2 * height)) for x in (panorama * weight, weight))
    return (light / area).permute(1, 2, 0)


def read_panorama(path: Path) -> Float[Tensor, "H W 3"]:
    """Read radiance from a picture file: linear values from .hdr and .exr, decoded sRGB from .png and .jpg.

    ffmpeg, which comes with imageio-ffmpeg, reads both float formats; imageio itself would have to download a library.
    Negative values, which some files have from resampling, become 0.

    Raises:
        ConfigError: it cannot be decoded, is not twice as wide as high, or holds values that are not finite.
    """
    try:
        pixels = _read_floats(path) if path.suffix.lower() in FLOAT_FORMATS else _read_bytes(path)
    except (OSError, ValueError, subprocess.CalledProcessError) as problem:  # what ffmpeg says, or leaves out
        hint = "it is damaged or of another format than its name says"
        raise ConfigError(f"cannot read the picture {path}", key="environment", hint=hint) from problem
    height, width = pixels.shape[:2]
    if width != 2 * height:
        hint = "a lat-long map is twice as wide as high; light probes and cube maps have to be converted"
        raise ConfigError(f"{path} has {width} x {height} pixels", key="environment", hint=hint)
    if not np.isfinite(pixels).all():
        raise ConfigError(f"{path} has pixels that are infinite or not numbers", key="environment")
    return torch.from_numpy(pixels).clamp(min=0)


def _read_floats(path: Path) -> np.ndarray:
    """RGB [H, W, 3] float32."""
    from imageio_ffmpeg import get_ffmpeg_exe

    # taken as the file has them: ffmpeg's conversion of halves to floats cuts them at 1
    one_file = ["-f", "image2", "-pattern_type", "none", "-i", f"file:{path}"]  # a name with %d in it is no sequence
    command = [get_ffmpeg_exe(), "-nostdin", *one_file, "-vf", "showinfo", "-frames:v", "1", "-f", "rawvideo", "-"]
    process = subprocess.run(command, capture_output=True, check=True)
    match = re.search(rb"fmt:(\w+) .*\bs:(\d+)x(\d+)", process.stderr)
    layout = match[1].decode() if match else "unknown type"
    if match is None or layout not in _LAYOUTS:
        raise ConfigError(f"{path} holds samples of type {layout}, not floats", key="environment")
    planes, dtype = _LAYOUTS[layout]
    samples = np.frombuffer(process.stdout, dtype).reshape(planes, int(match[3]), int(match[2]))
    order = [2, 0, 1] if planes > 1 else [0, 0, 0]
    return np.ascontiguousarray(samples[order].transpose(1, 2, 0), np.float32)


def _read_bytes(path: Path) -> np.ndarray:
    try:
        color = picture_of(decode_picture(path).image).color[0]
    except ConfigError as problem:
        message = f"cannot read the picture {path}: {problem.message}"
        raise ConfigError(message, key="environment", hint=problem.hint) from problem
    return srgb_to_linear(color).numpy()
