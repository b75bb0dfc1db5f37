"""Data of the posed pictures that an earlier stage of the method sampled."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from maquette.annotations import CountOrNone, WeightsPath
from maquette.config.capabilities import REFERENCE, SAMPLED_VIEWS, TARGET_NORMAL, Capabilities
from maquette.data.base import Data, HeldOut, Reference, Target
from maquette.data.formats import PosedImages
from maquette.errors import ConfigError
from maquette.perception.estimator import Estimator
from maquette.randomness import Moment
from maquette.registry import register
from maquette.weights.loading import check_path

OPAQUE = 0.99  # alpha of pixels that lie within the object; normals are trusted a pixel away from all others


@register("data", "sampled-views")
class SampledViews(Data):
    """The pictures of an earlier stage as targets, with estimated normals; each step gets all of them, or a few.

    Normals are zero, which stands for unknown, outside the object and within a pixel of its border.
    """

    @dataclass(frozen=True)
    class Config:
        batch: CountOrNone = 0  # pictures per step, in turn; 0: all
        size: CountOrNone = 0  # rows of the pictures, if they have more; 0: as they are
        estimator: WeightsPath = ""  # weights of an estimator of normals: a plugin's name, a folder or a hub name

        def __post_init__(self) -> None:
            if self.estimator:
                check_path(self.estimator)

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        base = super().capabilities(config).needing(SAMPLED_VIEWS).giving(REFERENCE)
        base = base.giving(TARGET_NORMAL) if config.estimator else base
        return replace(base, remedies={TARGET_NORMAL: "name an estimator of normals (data.estimator)"})

    def __init__(self, config: Config, views: PosedImages) -> None:
        self.config = config
        larger = config.size and views.cameras.height > config.size
        self._views = views.resized(config.size) if larger else views
        self._target: Target

    def prepare(self, device: torch.device) -> None:
        views = self._views
        normal = view_normals(views, self.config.estimator) if self.config.estimator else None
        self._target = Target(
            views.cameras.to(device),
            views.picture.to(device),
            normal=None if normal is None else normal.to(device),
            indices=torch.arange(len(views), device=device),
        )

    def sample(self, moment: Moment) -> Target:
        count, batch = len(self._views), self.config.batch
        if not batch or batch >= count:
            return self._target
        index = (torch.arange(batch) + moment.step * batch) % count
        whole, index = self._target, index.to(self._views.device)
        normal = None if whole.normal is None else whole.normal[index]
        return Target(whole.cameras[index], whole.picture[index], None, normal, index)

    def all(self) -> Target:
        return self._target

    def references(self) -> tuple[Reference, ...]:
        views = self._views
        return tuple(Reference(views.picture[i : i + 1], views.cameras[i : i + 1]) for i in range(len(views)))

    def held_out(self) -> HeldOut:
        raise ConfigError("sampled views have none held out", key="data", hint="evaluate on posed-images")


@torch.no_grad()
def view_normals(views: PosedImages, estimator: str) -> Float[Tensor, "B H W 3"]:
    """Estimated world normals of square pictures; zero outside the object and within a pixel of its border.

    Raises:
        ConfigError: the weights estimate depth alone.
    """
    picture = views.picture.to("cpu")
    normal = Estimator(estimator).estimate(picture.over(1.0)).normal
    if normal is None:
        raise ConfigError(f"{estimator!r} sees depth and no normals", key="data.estimator", hint="name one that does")
    world = torch.einsum("bij,bhwj->bhwi", views.cameras.c2w[:, :3, :3].cpu(), normal)
    covered = (picture.alpha[..., 0] > OPAQUE).float()[:, None]
    inner = -functional.max_pool2d(-covered, 3, stride=1, padding=1)[:, 0, ..., None]
    return functional.normalize(world, dim=-1) * inner
