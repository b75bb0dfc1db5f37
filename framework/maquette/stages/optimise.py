"""Optimise a scene under the pull of priors, towards what it is known to look like, and in the care of losses."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch

from maquette import registry
from maquette.backgrounds.base import Background
from maquette.config.parts import (
    BackgroundSpec,
    CamerasSpec,
    DataSpec,
    GeometrySpec,
    LossSpec,
    MaterialSpec,
    PartSpec,
    RendererSpec,
    SettingError,
)
from maquette.config.schedules import Schedule
from maquette.config.schema import MethodConfig
from maquette.conversions import convert
from maquette.data.base import Data
from maquette.errors import ConfigError
from maquette.kernels.devices import choose_device, device_or_cpu
from maquette.losses.base import Comparison, Loss
from maquette.materials.base import Material
from maquette.randomness import Draws, Moment
from maquette.registry import register
from maquette.scene import Scene, Viewpoint
from maquette.stages.base import Stage, StageContext
from maquette.stages.finished import finished_scene
from maquette.stages.guidance import Guidance, Guide, build_guides, compares_pictures, listed, request_of
from maquette.stages.optimisation import Optimisation
from maquette.training.checkpoints import CheckpointStore
from maquette.training.loop import Loop
from maquette.training.run_folder import RunFolder
from maquette.training.settings import LoopConfig
from maquette.training.timings import Timings


@register("stage", "optimise")
class Optimise(Stage):
    """Optimise geometry, material and background so that renderings please the guidance and the losses.

    Views from `cameras` are judged by the guidance, views of the `data` by the losses that compare, and by guidance
    that changes known pictures; the other losses look at the former, or at the latter where there are no cameras.
    """

    @dataclass(frozen=True)
    class Config:
        geometry: GeometrySpec
        material: MaterialSpec
        background: BackgroundSpec
        renderer: RendererSpec
        cameras: CamerasSpec | None = None
        data: DataSpec | None = None
        guidance: dict[str, Guidance] = field(default_factory=dict)
        losses: dict[str, LossSpec] = field(default_factory=dict)
        start: str = (
            "scratch"  # or previous: from the scene of the stage before; or from that of a run folder; converted
        )
        steps: int = 1000  # optimiser steps
        learning_rates: dict[str, Schedule] = field(default_factory=dict)  # geometry, network, material, background
        view: Viewpoint = field(default_factory=Viewpoint)  # from where previews and exports see the object
        loop: LoopConfig = field(default_factory=LoopConfig)

        def __post_init__(self) -> None:
            if self.steps < 1:
                raise ValueError(f"steps is at least 1, not {self.steps}")
            if not self.guidance and not self.losses:
                raise ValueError("an optimise stage needs guidance or losses")
            orbiting = any(not guidance.objective.cls.wants_data for guidance in self.guidance.values())
            if self.cameras is None and (orbiting or self.data is None):
                raise ValueError("missing value: cameras, from where the object is looked at")
            if self.start not in ("scratch", "previous") and not (Path(self.start) / "config.yaml").is_file():
                raise ValueError(f"start is scratch, previous or a run folder, and {self.start!r} is none of them")
            _fit(self)

    def __init__(self, config: Config) -> None:
        self.config = config

    def run(self, context: StageContext) -> None:
        config = self.config
        device = choose_device(config.loop.device)
        scene = self._scene(context.method.seed).to(device)
        if config.start != "scratch" and not (context.resume and self._store(context).latest()):
            self._take_over(scene, context)
        data = config.data.build() if config.data is not None else None
        if data is not None:
            with context.timings.measure("data"):
                data.prepare(device)
            _hold_to(config.losses, data, context)
        with context.timings.measure("load priors"):
            guidance = build_guides(config.guidance, context.method, data, context.artifacts.words)
        task = build_task(config, scene, guidance, data, context.method, context.timings)
        loop = Loop(
            context.name, task, config.steps, config.loop, context.method.seed,
            self._store(context), context.metrics(), context.previews(), context.timings,
        )  # fmt: skip
        loop.run(context.resume)
        context.artifacts.scene = scene

    def restore(self, context: StageContext) -> None:
        scene = self._scene(context.method.seed)
        latest = self._store(context).latest()
        if latest is not None:
            latest.load_part(scene, "scene")
        scene.to(device_or_cpu(self.config.loop.device))
        context.artifacts.scene = scene

    def _store(self, context: StageContext) -> CheckpointStore:
        return context.checkpoints(self.config.loop.keep_checkpoints)

    def _take_over(self, scene: Scene, context: StageContext) -> None:
        with context.timings.measure("convert"):
            convert(self._source(context), scene, Draws(context.method.seed, -1, f"convert/{context.name}/"))

    def _source(self, context: StageContext) -> Scene:
        """The scene to start from."""
        if self.config.start != "previous":
            return finished_scene(RunFolder.open(Path(self.config.start)))
        if context.artifacts.scene is None:
            raise ConfigError(
                "there is no scene to start from",
                key=f"stages.{context.name}.start",
                hint="put a stage that makes one before this one, give a run folder, or start from scratch",
            )
        return context.artifacts.scene

    def _scene(self, seed: int) -> Scene:
        config = self.config
        torch.manual_seed(seed)  # initial parameters only; every later draw is keyed
        geometry = config.geometry.build()
        renderer = config.renderer.build(bound=geometry.bound)
        return Scene(geometry, config.material.build(), config.background.build(), renderer, config.view)


def build_task(
    config: Optimise.Config,
    scene: Scene,
    guidance: dict[str, Guide],
    data: Data | None,
    method: MethodConfig,
    timings: Timings | None = None,
) -> Optimisation:
    """The task of a stage: its losses and cameras built, its losses prepared."""
    losses = {name: spec.build() for name, spec in config.losses.items()}
    for loss in losses.values():
        if isinstance(loss, Loss):
            loss.prepare(request_of(method, data))
    cameras = config.cameras.build() if config.cameras is not None else None
    return Optimisation(scene, guidance, losses, cameras, data, config.learning_rates, method.prompt, timings)


def _fit(config: Optimise.Config) -> None:
    """Refuse parts that do not go together, with the ones that would."""
    renderer, geometry = config.renderer, config.geometry
    drawing = renderer.cls.drawing(renderer.config)
    if drawing.takes != geometry.cls.provides:
        fitting = [
            name for name in registry.names("renderer") if registry.get("renderer", name).takes == geometry.cls.provides
        ]
        raise ValueError(
            f"renderer {renderer.name!r} takes a {drawing.takes}, but geometry {geometry.name!r} is a "
            f"{geometry.cls.provides}; renderers that fit: {', '.join(fitting) or 'none'}"
        )
    channels = getattr(geometry.config, "channels", 0)
    if channels < config.material.cls.channels:
        raise ValueError(
            f"material {config.material.name!r} reads {config.material.cls.channels} channels, but geometry "
            f"{geometry.name!r} has {channels}; set geometry.channels"
        )
    _fit_latents(config)
    for name, guidance in config.guidance.items():
        if guidance.objective.cls.wants_data and config.data is None:
            raise ValueError(f"guidance {name!r} looks at known pictures, but the stage has no 'data'")
        sees_normals = guidance.sees != "rgb" or "normal" in guidance.prior.cls.watches(guidance.prior.config)
        if sees_normals and "normal" not in drawing.gives:
            raise ValueError(f"guidance {name!r} sees normals, which renderer {renderer.name!r} does not give")
        if guidance.prior.cls.wants_reference and config.data is None:
            raise ValueError(
                f"guidance {name!r}: prior {guidance.prior.name!r} continues a picture, but the stage has no 'data'; "
                "give it data: {type: image, path: PICTURE.png}"
            )
    for name, loss in config.losses.items():
        if issubclass(loss.cls, Comparison):
            _fit_comparison(name, loss, config)
        if issubclass(loss.cls, Loss) and loss.cls.wants_reference and config.data is None:
            raise ValueError(
                f"loss {name!r} is about a picture of the object, but the stage has no 'data'; "
                "give it data: {type: image, path: PICTURE.png}"
            )
        lacking = loss.cls.needs - drawing.gives - geometry.cls.offers
        if lacking:
            raise ValueError(
                f"loss {name!r} needs {listed(lacking)}, which renderer {renderer.name!r} with geometry "
                f"{geometry.name!r} does not give"
            )


def _fit_latents(config: Optimise.Config) -> None:
    """A material that draws latents takes a renderer and a background that do, and nobody who wants pictures."""
    material, renderer, background = config.material, config.renderer, config.background
    drawn, behind = _latent_channels(material, Material), _latent_channels(background, Background)
    if drawn and "latents" not in renderer.cls.drawing(renderer.config).gives:
        fitting = [name for name in registry.names("renderer") if "latents" in registry.get("renderer", name).gives]
        raise ValueError(
            f"material {material.name!r} draws latents, which renderer {renderer.name!r} does not; "
            f"renderers that do: {', '.join(fitting)}"
        )
    if drawn != behind:
        front, back = (f"{count} latent channels" if count else "colour" for count in (drawn, behind))
        raise ValueError(
            f"material {material.name!r} draws {front}, but background {background.name!r} draws {back}; "
            f"a background that fits: {{type: textured, channels: {drawn or 3}}}"
        )
    for guidance in config.guidance.values():
        if drawn and guidance.sees == "rgb" and guidance.objective.cls.wants_picture:
            raise ValueError(compares_pictures(guidance.objective, f"material {material.name!r} draws latents"))


def _latent_channels(part: PartSpec, contract: type[Material] | type[Background]) -> int:
    """Of a material or background; it is built to know, but only where it defines `latents`."""
    return part.build().latent_channels if part.cls.latents is not contract.latents else 0


def _fit_comparison(name: str, loss: PartSpec, config: Optimise.Config) -> None:
    if config.data is None:
        raise ValueError(f"loss {name!r} compares with known views, but the stage has no 'data'")
    data = config.data
    if lacking := loss.cls.wants - data.cls.gives:
        raise ValueError(f"loss {name!r} wants {listed(lacking)}, which data {data.name!r} does not give")
    if lacking := loss.cls.wants - data.cls.supplied(data.config):
        raise SettingError(_come_without(name, lacking), f"losses.{name}", _remedy(lacking))


def _hold_to(losses: dict[str, LossSpec], data: Data, context: StageContext) -> None:
    """Refuse losses that compare with what these pictures turn out not to have."""
    target = data.sample(Moment(0, 1, Draws(context.method.seed, 0, "look/")))
    for name, loss in losses.items():
        wanted = loss.cls.wants if issubclass(loss.cls, Comparison) else frozenset()
        lacking = frozenset(entry for entry in wanted if getattr(target, entry) is None)
        if lacking:
            key = f"stages.{context.name}.losses.{name}"
            raise ConfigError(_come_without(name, lacking), key=key, hint=_remedy(lacking).replace("{key}", key))


def _come_without(loss: str, lacking: frozenset[str]) -> str:
    return f"loss {loss!r} wants {listed(lacking)}, which the stage's pictures come without"


def _remedy(lacking: frozenset[str]) -> str:
    return f"give the data what it lacks (data.{min(lacking)}, data.estimator), or leave the loss out: ~{{key}}"
