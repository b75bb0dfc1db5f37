"""Data of one reference image, cut out of its background, with optional depth and normal maps."""

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
from maquette.config.parts import MattingSpec, part_field
from maquette.data.base import Data, HeldOut, Reference, Target
from maquette.errors import ConfigError
from maquette.images.framing import (
    ObjectPicture,
    SquareCrop,
    crop_and_resize_values,
    read_object_picture,
)
from maquette.images.picture import Picture
from maquette.perception.estimator import Estimator
from maquette.randomness import Moment
from maquette.registry import register
from maquette.weights.loading import carried_weights, check_path

LARGEST_REFERENCE_PX = 512  # largest side in pixels of the reference that priors are conditioned on
MAPS = ("depth", "normal")
LEAST_OBJECT = 1e-3  # fraction of the target's pixels that the object covers at least
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
        path: InputPath  # image with an alpha channel; one without gets it by `matting`
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
        matting: MattingSpec | None = part_field("matting", "rembg")  # of an image without alpha; none: it stays opaque
        mask: InputPath = ""  # path of a mask of the image's size, white where the object is; it replaces the matting

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
            if self.mask and not Path(self.mask).expanduser().is_file():
                raise ValueError(f"mask: there is no picture {self.mask}; give the file of one, or leave it out")
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
        mask = Path(c.mask).expanduser() if c.mask else None
        thing = read_object_picture(path, c.matting.build() if c.matting else None, mask)
        square = thing.square(c.fill)
        one = torch.ones(1)
        cameras = orbit_cameras(one * c.azimuth_deg, one * c.elevation_deg, one * c.distance, one * c.fov_y_deg, c.size)
        large = thing.crop(square, min(max(c.size, int(square.side)), LARGEST_REFERENCE_PX))
        self._reference = Reference(large, cameras.resized(large.size[0]))

        small = thing.crop(square, c.size)
        if float((small.alpha > 0.5).float().mean()) < LEAST_OBJECT:
            raise ConfigError(
                f"the object vanishes at {c.size} x {c.size} pixels: what is opaque is too small or too thin",
                key="data.size", file=str(path), hint="crop the picture to the object, or raise data.size or data.fill",
            )  # fmt: skip
        inside = small.alpha > 0.5
        maps = self._estimate_maps(large, path) | self._read_maps(thing, square, path)
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

    def _read_maps(
        self, thing: ObjectPicture, square: SquareCrop, path: Path
    ) -> dict[str, Float[Tensor, "1 size size C"]]:
        """Maps read from files: depth up to a scale and a shift, normals in the camera's frame."""
        files = {name: _companion(path, name, getattr(self.config, name)) for name in MAPS}
        return {
            name: thing.crop_values(DECODERS[name](thing.read_map(file)), square, self.config.size)
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


def _midas_depth(rgb: Float[Tensor, "1 H W 3"]) -> Float[Tensor, "1 H W 1"]:
    return 1 - rgb[..., :1]


def _omnidata_normal(rgb: Float[Tensor, "1 H W 3"]) -> Float[Tensor, "1 H W 3"]:
    return (2 * rgb - 1) * torch.tensor(OMNIDATA_AXES)


DECODERS = {"depth": _midas_depth, "normal": _omnidata_normal}
"""Map name -> decoder of its RGB values, to depth or to normals in the camera's frame."""
