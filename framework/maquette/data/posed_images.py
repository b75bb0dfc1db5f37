"""Data of posed images, read from a folder."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor

from maquette.annotations import Count, InputPath, NonNegative
from maquette.config.capabilities import REFERENCE, Capabilities
from maquette.data.base import Data, HeldOut, Reference, Target
from maquette.data.formats import PosedImages, Reading, load_posed_images
from maquette.errors import ConfigError
from maquette.meshes.placement import Placement
from maquette.meshes.points import read_points
from maquette.meshes.reading import PointsAlone, read_mesh
from maquette.meshes.sampling import SurfaceSamples
from maquette.randomness import Draws, Moment
from maquette.registry import register

SURFACE_FILE = "surface.ply"  # in the folder: the true surface or points on it, in the world of the placed cameras
SURFACE_POINTS = 100_000  # sampled on a true surface with faces


@register("data", "posed-images")
class PosedImagesData(Data):
    """Some training pictures per step; each epoch goes through all of them in a new order.

    The formats are described in docs/multiview.md. A file `surface.ply` in the folder holds the true
    surface as triangles, or points of it, for evaluation.
    """

    @dataclass(frozen=True)
    class Config:
        path: InputPath  # folder of pictures and cameras
        batch: Count = 1  # pictures per step
        references: dict[str, NonNegative] = field(
            default_factory=dict
        )  # names of pictures that condition priors -> weights
        reading: Reading = field(default_factory=Reading)

        def __post_init__(self) -> None:
            if self.batch < 1:
                raise ValueError(f"batch is at least 1, not {self.batch}")
            if any(weight <= 0 for weight in self.references.values()):
                raise ValueError(f"weights of references are positive, not {self.references}")

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        base = super().capabilities(config)
        base = base.giving(REFERENCE) if config.references else base
        return replace(base, remedies={REFERENCE: "name pictures in data.references"})

    def __init__(self, config: Config) -> None:
        self.config = config
        self._all: PosedImages
        self._train: PosedImages

    def prepare(self, device: torch.device) -> None:
        self._all = load_posed_images(Path(self.config.path), self.config.reading)
        self._train = self._all.select("train").to(device)

    def sample(self, moment: Moment) -> Target:
        count, batch = len(self._train), self.config.batch
        indices = [
            self._order(moment.draws, position // count, count)[position % count]
            for position in range(moment.step * batch, (moment.step + 1) * batch)
        ]
        return _target(self._train, torch.tensor(indices))

    def all(self) -> Target:
        return _target(self._train, torch.arange(len(self._train)))

    def references(self) -> tuple[Reference, ...]:
        train, weights = self._train, self.config.references
        if unknown := weights.keys() - set(train.names):
            raise ConfigError(
                f"no training picture is called {', '.join(sorted(unknown))}", key="data.references",
                hint=f"some names are {', '.join(train.names[:5])}",
            )  # fmt: skip
        indices = torch.tensor([train.names.index(name) for name in weights], dtype=torch.long)
        selected = train[indices.to(train.device)]
        return tuple(
            Reference(selected.picture[i : i + 1], selected.cameras[i : i + 1], weight)
            for i, weight in enumerate(weights.values())
        )

    def held_out(self) -> HeldOut:
        views = self._all.select("test" if "test" in self._all.split else "val")
        return HeldOut(_target(views, torch.arange(len(views))), views.names, self._surface())

    def _order(self, draws: Draws, epoch: int, count: int) -> list[int]:
        return torch.randperm(count, generator=Draws(draws.seed, epoch, "epoch").generator("order")).tolist()

    def _surface(self) -> SurfaceSamples | None:
        path = Path(self.config.path).expanduser() / SURFACE_FILE
        if not path.is_file():
            return None
        try:
            mesh = read_mesh(path, Placement(fit="none"))
        except PointsAlone:
            return SurfaceSamples.of_points(read_points(path)[0])
        return SurfaceSamples.of_mesh(mesh, SURFACE_POINTS, Draws(0, 0, f"{SURFACE_FILE}/"))


def _target(images: PosedImages, indices: Int[Tensor, " n"]) -> Target:
    indices = indices.to(images.device)
    selected = images[indices]
    return Target(selected.cameras, selected.picture, indices=indices)
