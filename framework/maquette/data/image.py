"""One picture of the object, its background removed, with depth and normals where they are known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

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

LARGEST = 512  # side of the picture that priors are shown, pixels
MAPS = ("depth", "normal")
OMNIDATA = (1.0, -1.0, -1.0)  # its camera axes right, down, forward along ours: right, up, to the viewer


@register("data", "image")
class ImageData(Data):
    """The reference view of image-to-3D, the object centred and scaled to fill a share of the picture.

    `NAME_rgba.png` may have `NAME_depth.png` and `NAME_normal.png` beside it; what is not there can be estimated. Depth
    maps are as MiDaS makes them: brighter is nearer, up to a scale and a shift. Normal maps are as Omnidata makes them:
    2 rgb - 1 in camera axes right, down, forward.

    Source: the inputs of Qian et al. 2023 (Magic123, arXiv 2306.17843), sec. 3.1.
    """

    @dataclass(frozen=True)
    class Config:
        path: str  # picture with an alpha channel; without one its background is removed by rembg
        elevation_deg: float = 0.0  # of the camera that took it
        azimuth_deg: float = 0.0  # 0: it shows the front
        distance: float = 3.2  # scene units
        fov_y_deg: float = 35.0
        size: int = 64  # side of the target in pixels
        fill: float = 0.7  # share of the picture's side that the object's longer side takes; 0: as it is
        depth: str = (
            "auto"  # path of a depth map; auto: beside the picture, or else by the estimator; estimate; "": none
        )
        normal: str = "auto"  # likewise
        estimator: str = ""  # who sees depth and normals: a plugin's weights, a folder or a hub name
        remove_background: RemoveBackground = "auto"  # auto: when the picture has no alpha

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
            how = getattr(config, name)
            return bool(config.estimator or _companion(path, name, how)) if how == "auto" else how != ""

        own = super().capabilities(config).giving(REFERENCE, *(f"{TARGET}:{name}" for name in MAPS if has(name)))
        lacks = "give the data what it lacks (data.{}, data.estimator)"
        return replace(own, remedies={f"{TARGET}:{name}": lacks.format(name) for name in MAPS})

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
        large = crop_and_resize(picture, square, min(max(c.size, int(square.side)), LARGEST))
        self._reference = Reference(large, cameras.resized(large.size[0]))

        small = crop_and_resize(picture, square, c.size)
        inside = small.alpha > 0.5
        maps = self._estimated(large, path) | self._read(picture, square, path)
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

    def _estimated(self, shown: Picture, path: Path) -> dict[str, Float[Tensor, "1 size size C"]]:
        """The maps that are to be estimated: depth up to a scale and a shift, normals in the camera's frame."""
        c = self.config
        names = [
            name
            for name in MAPS
            if getattr(c, name) == "estimate" or (getattr(c, name) == "auto" and not _companion(path, name, "auto"))
        ]
        if not c.estimator or not names:
            return {}
        nearness, normal = Estimator(c.estimator).estimate(shown.over(1.0))
        if normal is None and c.normal == "estimate":
            raise ConfigError(
                f"{c.estimator!r} sees depth and no normals", key="data.normal",
                hint='give the path of a normal map, leave it out (""), or name an estimator that sees both',
            )  # fmt: skip
        low, high = nearness[shown.alpha > 0.5].aminmax()
        estimates = {"depth": high - nearness.clamp(low, high), "normal": normal}
        side = shown.size[0]
        whole = SquareCrop((side / 2, side / 2), float(side))
        return {
            name: crop_and_resize_values(values, shown.alpha, whole, c.size)
            for name, values in estimates.items()
            if name in names and values is not None
        }

    def _read(self, picture: Picture, square: SquareCrop, path: Path) -> dict[str, Float[Tensor, "1 size size C"]]:
        """The maps that files hold, in the same terms."""
        files = {name: _companion(path, name, getattr(self.config, name)) for name in MAPS}
        return {
            name: crop_and_resize_values(
                DECODE[name](_read_map(file, picture)), picture.alpha, square, self.config.size
            )
            for name, file in files.items()
            if file is not None
        }

    def sample(self, moment: Moment) -> Target:
        return self._target

    def all(self) -> Target:
        return self._target

    def references(self) -> tuple[Reference, ...]:
        """The picture, larger than the target if there is more of it."""
        return (self._reference,)

    def held_out(self) -> HeldOut:
        return HeldOut(self._target, (Path(self.config.path).stem,))


def _companion(path: Path, name: str, given: str) -> Path | None:
    if given == "auto":
        beside = path.with_name(f"{path.stem.removesuffix('_rgba')}_{name}.png")
        return beside if beside.is_file() else None
    if given in ("", "estimate"):
        return None
    if not Path(given).expanduser().is_file():
        raise ConfigError(
            f"there is no picture {given}", key=f"data.{name}", hint=f'give a map, or leave it out: {name}=""'
        )
    return Path(given).expanduser()


def _read_map(path: Path, picture: Picture) -> Float[Tensor, "1 H W 3"]:
    rgb = read_picture(path).color
    if rgb.shape != picture.color.shape:
        have, want = (f"{tensor.shape[2]} x {tensor.shape[1]}" for tensor in (rgb, picture.color))
        raise ConfigError(f"this map is {have} pixels and its picture {want}", file=str(path), hint="make them alike")
    return rgb


def _midas_depth(rgb: Float[Tensor, "1 H W 3"]) -> Float[Tensor, "1 H W 1"]:
    return 1 - rgb[..., :1]


def _omnidata_normal(rgb: Float[Tensor, "1 H W 3"]) -> Float[Tensor, "1 H W 3"]:
    return (2 * rgb - 1) * torch.tensor(OMNIDATA)


DECODE = {"depth": _midas_depth, "normal": _omnidata_normal}
"""What the colors of a map's file stand for: depth, and the normal in the camera's frame."""
