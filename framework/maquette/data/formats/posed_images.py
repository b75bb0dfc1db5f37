"""Pictures of one object or scene with known cameras."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from maquette.cameras.base import Cameras
from maquette.errors import ConfigError
from maquette.images.picture import Picture
from maquette.images.resampling import area_resample, whole_pixels

Split = Literal["train", "val", "test"]


@dataclass(frozen=True)
class SparsePoints:
    """Points on the surface, as structure from motion finds them.

    Args:
        positions: in the world of the cameras [P, 3].
        colors: RGB in [0, 1], [P, 3].
    """

    positions: Float[Tensor, "P 3"]
    colors: Float[Tensor, "P 3"]


@dataclass(frozen=True)
class PosedImages:
    """N pictures of one size with their cameras.

    Args:
        picture: N of them; opaque for photographs.
        cameras: N cameras in the world of the project (z up, the object about the origin), lit from where they stand.
        split: what each picture is for, N of "train", "val" or "test".
        names: what the source calls each picture, N of them.
        placement: similarity that took the source's world to this one [4, 4]: points p there are
            `placement @ (p, 1)` here.
        points: what the source knows of the surface, already placed; None if nothing.

    Example:
        >>> cameras = posed_cameras(torch.eye(4).expand(2, 4, 4), torch.full((2,), 40.0), 8, 8)
        >>> both = PosedImages(Picture.opaque(torch.ones(2, 8, 8, 3)), cameras, ("train", "test"), ("left", "right"))
        >>> both.select("test").names, both.resized(4).picture.size
        (('right',), (4, 4))
    """

    picture: Picture
    cameras: Cameras
    split: tuple[Split, ...]
    names: tuple[str, ...]
    placement: Float[Tensor, "4 4"] = field(default_factory=lambda: torch.eye(4))
    points: SparsePoints | None = None

    def __post_init__(self) -> None:
        wanted = (len(self.cameras), self.cameras.height, self.cameras.width, 3)
        if tuple(self.picture.color.shape) != wanted:
            raise ValueError(f"the cameras take pictures of shape {wanted}, not {tuple(self.picture.color.shape)}")
        if not len(self.split) == len(self.names) == len(self):
            raise ValueError(f"{len(self)} pictures with {len(self.split)} splits and {len(self.names)} names")

    def __len__(self) -> int:
        return len(self.picture)

    @property
    def device(self) -> torch.device:
        """Where the pictures lie."""
        return self.picture.color.device

    def __getitem__(self, index: slice | Int[Tensor, " n"] | Bool[Tensor, " N"]) -> PosedImages:
        """Some of the pictures."""
        kept = torch.arange(len(self), device=self.device)[index].tolist()
        return dataclasses.replace(
            self,
            picture=self.picture[index],
            cameras=self.cameras[index],
            split=tuple(self.split[i] for i in kept),
            names=tuple(self.names[i] for i in kept),
        )

    def to(self, device: torch.device | str) -> PosedImages:
        """The same pictures and cameras on another device."""
        return dataclasses.replace(self, picture=self.picture.to(device), cameras=self.cameras.to(device))

    def select(self, split: Split) -> PosedImages:
        """The pictures of one split.

        Raises:
            ConfigError: there are none.
        """
        chosen = torch.tensor([name == split for name in self.split])
        if not chosen.any():
            known = ", ".join(f"{self.split.count(name)} {name}" for name in sorted(set(self.split)))
            raise ConfigError(f"this set has no {split!r} pictures", hint=f"it has {known}")
        return self[chosen]

    def resized(self, size: int) -> PosedImages:
        """The set with pictures of `size` rows, each pixel the average of the area that it covers.

        Columns follow in proportion; what remains of a column at the sides is cut off. Colours are averaged weighted
        by alpha, as display values, because that is how our renderers blend them. Pictures are never enlarged.

        Raises:
            ConfigError: `size` is larger than the pictures.
        """
        height, width = self.cameras.height, self.cameras.width
        if size > height:
            raise ConfigError(f"the pictures have {height} rows, fewer than {size}", key="size", hint="at most that")
        step = height / size
        columns = whole_pixels(width / step)
        picture = area_resample(self.picture, (height / 2, width / 2), (step, step), (size, columns))
        return dataclasses.replace(
            self, picture=picture, cameras=dataclasses.replace(self.cameras, height=size, width=columns)
        )


def posed_cameras(c2w: Float[Tensor, "N 4 4"], fov_y_deg: Float[Tensor, " N"], height: int, width: int) -> Cameras:
    """Cameras with these matrices, lit from where they stand; azimuth, elevation and distance follow from positions.

    Example:
        >>> c2w = torch.eye(4)[None].clone()
        >>> c2w[0, :3, 3] = torch.tensor([0.0, 2.0, 2.0])
        >>> cameras = posed_cameras(c2w, torch.tensor([35.0]), 8, 8)
        >>> round(float(cameras.azimuth_deg), 2), round(float(cameras.elevation_deg), 2)
        (90.0, 45.0)
    """
    position = c2w[:, :3, 3]
    x, y, z = position.unbind(-1)
    return Cameras(
        c2w=c2w,
        fov_y_deg=fov_y_deg,
        azimuth_deg=torch.rad2deg(torch.atan2(y, x)),
        elevation_deg=torch.rad2deg(torch.atan2(z, torch.hypot(x, y))),
        distance=position.norm(dim=-1),
        height=height,
        width=width,
        light=position.clone(),
    )
