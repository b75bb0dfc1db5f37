"""Nano objects as the truth of the cases of suites."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from maquette.annotations import Count, CountOrNone, Pixels, Samples
from maquette.cameras.base import Cameras
from maquette.data.formats import PosedImages, Split
from maquette.images.picture import Picture
from maquette.meshes.mesh import Mesh
from maquette.metrics.base import Truth, TruthForm
from maquette.registry import register
from maquette_nano import world
from maquette_nano.posed import SUPERSAMPLE, spiral_cameras
from maquette_nano.renders import FOV_DEG
from maquette_nano.world.meshing import mesh, surface

RESOLUTION = 160  # samples along each side of the grid of a true mesh


@register("truth", "nano-object")
class NanoTruth(Truth):
    """An object of a split of the nano world: its exact surface with its colours, and pictures from all around.

    Pictures are taken from a spiral between elevations of -30 and 75 degrees.
    """

    @dataclass(frozen=True)
    class Config:
        number: CountOrNone  # of the object in its split
        split: Literal["train", "validation", "test"] = "test"  # of the nano world, which the object is of
        views: Count = 16  # pictures
        size: Pixels = 64  # picture side in pixels
        lit: bool = True  # shaded as in the priors' training images; else plain colours
        resolution: Samples = RESOLUTION  # samples along each side of the grid that the surface is extracted from

    def __init__(self, config: Config) -> None:
        self.config = config

    @property
    def gives(self) -> tuple[TruthForm, ...]:
        """Both."""
        return ("surface", "views")

    @cached_property
    def object(self) -> world.NanoObject:
        """The object."""
        return world.sample_object(self.config.number, self.config.split)

    def surface(self) -> Mesh:
        body = mesh(self.object, self.config.resolution)
        return Mesh(body.vertices, body.faces, body.vertex_colors.clip(0, 1))

    def views(self) -> PosedImages:
        config, cameras = self.config, spiral_cameras(self.config.views, self.config.size, 0.0)
        names = tuple(f"test-{i:03}" for i in range(config.views))
        split: tuple[Split, ...] = ("test",) * config.views
        return PosedImages(self._render(cameras, FOV_DEG), cameras, split, names)

    def pictures(self, cameras: Cameras) -> Picture | None:
        """As its views are, of square pictures by cameras of one field of view; None for others."""
        fov_deg = cameras.fov_y_deg
        if cameras.window or cameras.width != cameras.height or float(fov_deg.max() - fov_deg.min()) > 0:
            return None
        return self._render(cameras, float(fov_deg[0]))

    def _render(self, cameras: Cameras, fov_deg: float) -> Picture:
        light = {} if self.config.lit else {"ambient": 1.0, "diffuse": 0.0}
        return world.render(
            self.object, cameras.c2w.cpu().numpy(), fov_deg, cameras.width, SUPERSAMPLE, **light
        ).picture


def true_mesh(obj: world.NanoObject, resolution: int = RESOLUTION) -> Mesh:
    """The surface of an object by marching cubes, without colours."""
    return Mesh(*surface(obj, resolution))
