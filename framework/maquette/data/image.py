"""Data of one reference image, its background removed, with optional depth and normal maps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from maquette.annotations import ElevationDeg, FovDeg, Fraction, InputPath, PathKind, Positive, Range, WeightsPath
from maquette.cameras.base import orbit_cameras
from maquette.config.capabilities import REFERENCE, TARGET, Capabilities
from maquette.data.base import Data, HeldOut, Reference, Target
from maquette.errors import ConfigError
from maquette.images.framing import (
    RemoveBackground,
    SquareCrop,
    crop_and_resize,
    crop_and_resize_values,
    read_object,
    square_around_object,
)
from maquette.images.picture import Picture
from maquette.images.reading import read_picture
from maquette.perception.estimator import Estimator
from maquette.randomness import Moment
from maquette.registry import register
from maquette.weights.loading import carried_weights, check_path

LARGEST_REFERENCE_PX = 512  # largest side in pixels of the reference that priors are conditioned on
MAPS = ("depth", "normal")
OMNIDATA_AXES = (1.0, -1.0, -1.0)  # of its camera axes right, down, forward along ours: right, up, backward


MapPath = Annotated[str, PathKind("input", words=("auto", "estimate"))]


@register("data", "image")
class ImageData(Data):
    """The reference view of image-to-3D, the object centred and scaled to a fraction of the image.

    `NAME_depth.png` and `NAME_normal.png` in the folder of `NAME_rgba.png` are its maps; missing ones can be estimated.
    Depth maps follow MiDaS: brighter is nearer, up to a scale and a shift. Normal maps follow Omnidata: 2 rgb - 1 in
    camera axes right, down, forward.

    Source: the inputs of Qian et al. 2023 (Magic123, arXiv 2306.17843), sec. 3.1.
    """

    @dataclass(frozen=True)
    class Config:
        path: InputPath  # image with an alpha channel; without one its background is removed by rembg
        elevation_deg: ElevationDeg = 0.0  # of the reference camera
        azimuth_deg: float = 0.0  # of the reference camera; 0: it faces the front
        distance: Positive = 3.2  # scene units
        fov_y_deg: FovDeg = 35.0
        size: Annotated[int, Range(8, 16_384)] = 64  # side of the target in pixels
        fill: Fraction = 0.7  # fraction of the image side that the object's longer side takes; 0: keep the framing
        depth: MapPath = "auto"  # path of a depth map; auto: NAME_depth.png, or else estimated; estimate; "": none
        normal: MapPath = "auto"  # likewise
        estimator: WeightsPath = (
            ""  # weights of the depth and normal estimator: a plugin's name, a folder or a hub name
        )
        remove_background: RemoveBackground = "auto"  # auto: when the image has no alpha channel

        def __post_init__(self) -> None:
            if self.size < 8 or not 0 <= self.fill <= 1 or self.distance <= 0 or not 0 < self.fov_y_deg < 180:
                raise ValueError(
                    "an image needs a size of 8 or more, fill in [0, 1], distance > 0, fov_y_deg in (0, 180)"
                )
            if not -90 <= self.elevation_deg <= 90:
                raise ValueError(f"elevation_deg is from -90 (below) to 90 (above), not {self.elevation_deg:g}")
            if not Path(self.path).expanduser().is_file():
                what = ", which is a folder" if Path(self.path).expanduser().is_dir() else ""
                raise ValueError(f'path: there is no picture {self.path}{what}; give the file of one: image="..."')
            for name in MAPS:
                if getattr(self, name) == "estimate" and not self.estimator:
                    raise ValueError(
                        f"{name}: estimate needs an estimator: a hub name, a folder, or a plugin's weights "
                        f"({carried_weights()})"
                    )
            if self.estimator:
                check_path(self.estimator)

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        path = Path(config.path).expanduser()

        def has(name: str) -> bool:
            setting = getattr(config, name)
            return bool(config.estimator or _companion(path, name, setting)) if setting == "auto" else setting != ""

        base = super().capabilities(config).giving(REFERENCE, *(f"{TARGET}:{name}" for name in MAPS if has(name)))
        lacks = "give the data what it lacks (data.{}, data.estimator)"
        return replace(base, remedies={f"{TARGET}:{name}": lacks.format(name) for name in MAPS})

    def __init__(self, config: Config) -> None:
        self.config = config
        self._target: Target
        self._reference: Reference

    def prepare(self, device: torch.device) -> None:
        c = self.config
        path = Path(c.path).expanduser()
        picture = read_object(path, c.remove_background)
        square = square_around_object(picture, c.fill)
        one = torch.ones(1)
        cameras = orbit_cameras(one * c.azimuth_deg, one * c.elevation_deg, one * c.distance, one * c.fov_y_deg, c.size)
        large = crop_and_resize(picture, square, min(max(c.size, int(square.side)), LARGEST_REFERENCE_PX))
        self._reference = Reference(large, cameras.resized(large.size[0]))

        small = crop_and_resize(picture, square, c.size)
        inside = small.alpha > 0.5
        maps = self._estimate_maps(large, path) | self._read_maps(picture, square, path)
        depth, normal = maps.get("depth"), maps.get("normal")
        if normal is not None:
            normal = functional.normalize(normal @ cameras.c2w[0, :3, :3].T, dim=-1)
        self._target = Target(
            cameras.to(device),
            small.to(device),
            (depth * inside).to(device) if depth is not None else None,
            (normal * inside).to(device) if normal is not None else None,
            torch.zeros(1, dtype=torch.long, device=device),
        )

    def _estimate_maps(self, reference: Picture, path: Path) -> dict[str, Float[Tensor, "1 size size C"]]:
        """Estimated maps: depth up to a scale and a shift, normals in the camera's frame."""
        c = self.config
        names = [
            name
            for name in MAPS
            if getattr(c, name) == "estimate" or (getattr(c, name) == "auto" and not _companion(path, name, "auto"))
        ]
        if not c.estimator or not names:
            return {}
        nearness, normal = Estimator(c.estimator).estimate(reference.over(1.0))
        if normal is None and c.normal == "estimate":
            raise ConfigError(
                f"{c.estimator!r} sees depth and no normals", key="data.normal",
                hint='give the path of a normal map, leave it out (""), or name an estimator that sees both',
            )  # fmt: skip
        low, high = nearness[reference.alpha > 0.5].aminmax()
        estimates = {"depth": high - nearness.clamp(low, high), "normal": normal}
        side = reference.size[0]
        whole = SquareCrop((side / 2, side / 2), float(side))
        return {
            name: crop_and_resize_values(values, reference.alpha, whole, c.size)
            for name, values in estimates.items()
            if name in names and values is not None
        }

    def _read_maps(self, picture: Picture, square: SquareCrop, path: Path) -> dict[str, Float[Tensor, "1 size size C"]]:
        """Maps read from files: depth up to a scale and a shift, normals in the camera's frame."""
        files = {name: _companion(path, name, getattr(self.config, name)) for name in MAPS}
        return {
            name: crop_and_resize_values(
                DECODERS[name](_read_map_file(file, picture)), picture.alpha, square, self.config.size
            )
            for name, file in files.items()
            if file is not None
        }

    def sample(self, moment: Moment) -> Target:
        return self._target

    def all(self) -> Target:
        return self._target

    def references(self) -> tuple[Reference, ...]:
        """The reference image, at up to `LARGEST_REFERENCE_PX` pixels where it is larger than the target."""
        return (self._reference,)

    def held_out(self) -> HeldOut:
        return HeldOut(self._target, (Path(self.config.path).stem,))


def _companion(path: Path, name: str, setting: str) -> Path | None:
    if setting == "auto":
        default = path.with_name(f"{path.stem.removesuffix('_rgba')}_{name}.png")
        return default if default.is_file() else None
    if setting in ("", "estimate"):
        return None
    if not Path(setting).expanduser().is_file():
        raise ConfigError(
            f"there is no picture {setting}", key=f"data.{name}", hint=f'give a map, or leave it out: {name}=""'
        )
    return Path(setting).expanduser()


def _read_map_file(path: Path, picture: Picture) -> Float[Tensor, "1 H W 3"]:
    rgb = read_picture(path).color
    if rgb.shape != picture.color.shape:
        map_size, picture_size = (f"{tensor.shape[2]} x {tensor.shape[1]}" for tensor in (rgb, picture.color))
        raise ConfigError(
            f"this map is {map_size} pixels and its picture {picture_size}", file=str(path), hint="make them alike"
        )
    return rgb


def _midas_depth(rgb: Float[Tensor, "1 H W 3"]) -> Float[Tensor, "1 H W 1"]:
    return 1 - rgb[..., :1]


def _omnidata_normal(rgb: Float[Tensor, "1 H W 3"]) -> Float[Tensor, "1 H W 3"]:
    return (2 * rgb - 1) * torch.tensor(OMNIDATA_AXES)


DECODERS = {"depth": _midas_depth, "normal": _omnidata_normal}
"""Map name -> decoder of its RGB values, to depth or to normals in the camera's frame."""
