"""Procedures of cameras, materials, backgrounds and renderers."""

from __future__ import annotations

from typing import Any

import torch

from maquette.config.capabilities import GEOMETRY, RENDERING, bare, within
from maquette.materials.base import Material, Shading, ShadingPoints
from maquette.randomness import Draws, Moment
from maquette.renderers.base import Rendering, View
from maquette.testing import inputs
from maquette.testing.trial import Check, Fault, Output, Procedure, Situation, Slope, Trial, equal

POINTS = 16  # of one picture


def _moment(situation: Situation) -> Moment:
    return Moment.at(3, 10, situation.seed)


def _use_cameras(trial: Trial, part: Any, situation: Situation) -> list[Output]:
    cameras = part.sample(_moment(situation))
    count = len(cameras)
    return [
        Output("c2w", cameras.c2w, (count, 4, 4)),
        Output("fov_y_deg", cameras.fov_y_deg, (count,), 0, 180),
        Output("azimuth_deg", cameras.azimuth_deg, (count,)),
        Output("elevation_deg", cameras.elevation_deg, (count,), -90, 90),
        Output("distance", cameras.distance, (count,), 0),
        Output("light", cameras.light, (count, 3)),
    ]


def _rigid(trial: Trial) -> None:
    c2w = trial.build().sample(Moment.at(3, 10, 0)).c2w.float()
    rotation, last = c2w[:, :3, :3], torch.tensor([0.0, 0.0, 0.0, 1.0])
    if not torch.allclose(rotation @ rotation.mT, torch.eye(3).expand_as(rotation), atol=1e-3):
        raise Fault("the axes of c2w are not orthogonal and of length 1")
    if not (torch.linalg.det(rotation) > 0).all() or not torch.allclose(c2w[:, 3], last.expand(len(c2w), 4)):
        raise Fault("c2w mirrors, or its last row is not 0, 0, 0, 1")


CAMERAS = Procedure(
    _use_cameras,
    minimum=10,
    checks=(Check("rigid", "c2w is a rotation and a position", _rigid),),
    skips={"batches": "their number is a setting", "nan": "they have no inputs"},
)


def _features(trial: Trial, situation: Situation) -> torch.Tensor:
    features = inputs.numbers(
        "features", situation.batch * POINTS, max(trial.capabilities.feature_channels, 1), seed=situation.seed, low=-1
    ).to(situation.device)
    return features * torch.nan if situation.spoiled else features


def _shading_points(features: torch.Tensor) -> ShadingPoints:
    n = len(features)
    positions = 0.5 * inputs.unit_vectors("positions", n)
    lights = 3 * inputs.unit_vectors("lights", n)
    normals, directions = inputs.unit_vectors("normals", n), inputs.unit_vectors("directions", n)
    return ShadingPoints(features, *(one.to(features) for one in (positions, normals, directions, lights)))


def _use_material(trial: Trial, part: Material, situation: Situation) -> list[Output]:
    part.to(situation.device)
    features = _features(trial, situation)
    n = len(features)
    if part.latent_channels:
        return [Output("latents", part.latents(features), (n, part.latent_channels))]
    points = _shading_points(features)
    lit = part.shading(_moment(situation))
    outputs = [
        Output("albedo", part.albedo(features), (n, 3), 0, 1),
        Output("shade", part.shade(points, lit), (n, 3), 0, 1),
        Output("unlit shade", part.shade(points, Shading()), (n, 3), 0, 1),
    ]
    reflectance = part.reflectance(features)
    if reflectance is not None:
        outputs += [
            Output("reflectance.albedo", reflectance.albedo, (n, 3), 0, 1),
            Output("metallic", reflectance.metallic, (n, 1), 0, 1),
            Output("roughness", reflectance.roughness, (n, 1), 0, 1),
        ]
    return outputs


def _material_slopes(trial: Trial, part: Material, dtype: torch.dtype) -> list[Slope]:
    features = _features(trial, Situation()).to(dtype).requires_grad_(True)
    part.to(dtype)
    color = part.latents if part.latent_channels else part.albedo
    weights = inputs.numbers("weights", len(features), 1, low=-1).to(dtype)
    return [Slope("the features", features, lambda: (color(features) * weights).sum())]


def _pointwise(trial: Trial) -> None:
    part, features = trial.build(), _features(trial, Situation())
    color = part.latents if part.latent_channels else part.albedo
    if not equal(color(features)[:1], color(features[:1]), 1e-5):
        raise Fault("the color of a point depends on the other points of the batch")


MATERIAL = Procedure(
    _use_material,
    minimum=13,
    slopes=_material_slopes,
    checks=(Check("pointwise", "a point's color does not depend on the other points", _pointwise),),
)


def _use_background(trial: Trial, part: Any, situation: Situation) -> list[Output]:
    part.to(situation.device)
    _, directions = inputs.cameras(situation.batch, seed=situation.seed).rays()
    directions = directions.to(situation.device)
    if situation.spoiled:
        directions = directions * torch.nan
    draws = Draws(situation.seed, 3).sub("background")
    channels = part.latent_channels
    paint = part.latents if channels else part
    shape, ends = (*directions.shape[:3], channels or 3), (None, None) if channels else (0.0, 1.0)
    return [
        Output("in training", paint(directions, draws), shape, *ends),
        Output("outside training", paint(directions, None), shape, *ends),
    ]


BACKGROUND = Procedure(
    _use_background, minimum=11, skips={"nan": "its directions come from cameras"},
)  # fmt: skip


def _build_renderer(trial: Trial) -> Any:
    return trial.cls(trial.config, bound=1.0)


def _form(trial: Trial) -> str:
    return next(iter(bare(within(GEOMETRY, trial.capabilities.needs))), "field")


def _render(trial: Trial, renderer: Any, situation: Situation) -> tuple[Any, Rendering]:
    scene = inputs.scene(_form(trial)).to(situation.device)
    renderer.to(situation.device)
    renderer.update(scene.geometry, _moment(situation))
    if situation.spoiled:
        for parameter in scene.geometry.parameters():
            parameter.data.fill_(torch.nan)
    views = inputs.cameras(situation.batch, seed=situation.seed).to(situation.device)
    return scene, renderer.render(scene.geometry, scene.material, scene.background, View(views))


def _use_renderer(trial: Trial, part: Any, situation: Situation) -> list[Output]:
    _, rendering = _render(trial, part, situation)
    b, size = situation.batch, inputs.SIZE
    outputs = [
        Output("rgb", rendering.rgb, (b, size, size, 3), 0, 1),
        Output("opacity", rendering.opacity, (b, size, size, 1), 0, 1),
        Output("depth", rendering.depth, (b, size, size, 1), 0),
        Output("background", rendering.background, (b, size, size, 3), 0, 1),
    ]
    if rendering.normal is not None:
        outputs.append(Output("normal", rendering.normal, (b, size, size, 3), -1, 1))
    return outputs


def _renderer_slopes(trial: Trial, part: Any, dtype: torch.dtype) -> list[Slope]:
    scene = inputs.scene(_form(trial))
    views = View(inputs.cameras(1), normals=False)
    parameters = [(name, one) for name, one in scene.geometry.named_parameters() if one.requires_grad]

    def color() -> torch.Tensor:
        part.update(scene.geometry, Moment.at(0, 10, 0))
        return part.render(scene.geometry, scene.material, scene.background, views).rgb.square().sum()

    return [Slope(f"the geometry's {name}", one, color) for name, one in parameters]


def _shows_background(trial: Trial) -> None:
    _, rendering = _render(trial, trial.build(), Situation())
    empty = (rendering.opacity < 1e-6).expand_as(rendering.rgb)
    if not empty.any():
        raise Fault("no pixel around the object is empty")
    if not torch.allclose(rendering.rgb[empty], rendering.background[empty], atol=1e-4):
        raise Fault("where the opacity is 0, the color is not the background's")


def _declared_entries(trial: Trial) -> None:
    _, rendering = _render(trial, trial.build(), Situation())
    optional = {"normal", "samples", "mesh", "projections"}
    for name in sorted(bare(within(RENDERING, trial.capabilities.gives)) & optional):
        if getattr(rendering, name) is None:
            raise Fault(f"capabilities promise {name}, and the rendering has none")


def _each_view(trial: Trial) -> None:
    renderer = trial.build()
    scene, together = _render(trial, renderer, Situation())
    views = inputs.cameras(2)
    for index in range(2):
        view = View(views[index : index + 1])
        alone = renderer.render(scene.geometry, scene.material, scene.background, view)
        if not equal(together.rgb[index : index + 1], alone.rgb, 1e-4):
            raise Fault("a view is another beside a second one than alone")


RENDERER = Procedure(
    _use_renderer,
    minimum=13,
    build=_build_renderer,
    slopes=_renderer_slopes,
    train=lambda trial, renderer: renderer.update(inputs.scene(_form(trial)).geometry, Moment.at(0, 10, 0)),
    checks=(
        Check("background", "empty pixels show the background", _shows_background),
        Check("entries", "a rendering has the entries that capabilities promise", _declared_entries),
        Check("views", "a view does not depend on the others of the batch", _each_view),
    ),
    skips={"differences": "pixels change at once where an edge crosses them"},
)
