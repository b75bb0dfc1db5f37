"""Procedures of what things are made of: data, data sets, mattings, generators, makers of stereo and truths."""

from __future__ import annotations

import inspect
from typing import Any

import torch

from maquette.config.capabilities import SAMPLED_VIEWS, TARGET, bare, within
from maquette.data.base import HeldOut, Target
from maquette.errors import ConfigError
from maquette.generators.base import DistanceGrid, Generated
from maquette.geometry.splat_cloud import SplatCloud
from maquette.images.picture import Picture
from maquette.meshes.mesh import Mesh
from maquette.randomness import Draws, Moment
from maquette.stereo.base import Depth3D
from maquette.testing import inputs
from maquette.testing.trial import Check, Fault, Output, Procedure, Situation, Skip, Trial, equal, leaves, tensors

FARTHEST = 1.75  # of what a generator makes, from the origin: the corner of a cube of half side 1


def _build_data(trial: Trial) -> Any:
    needs_views = SAMPLED_VIEWS in trial.capabilities.needs
    return trial.cls(trial.config, views=inputs.ball_views()) if needs_views else trial.cls(trial.config)


def _prepared(part: Any, device: str = "cpu") -> Any:
    part.prepare(torch.device(device))
    return part


def _target_outputs(target: Target, name: str) -> list[Output]:
    count, height, width = len(target.cameras), target.cameras.height, target.cameras.width
    outputs = [
        Output(f"{name}'s color", target.picture.color, (count, height, width, 3), 0, 1),
        Output(f"{name}'s alpha", target.picture.alpha, (count, height, width, 1), 0, 1),
        Output(f"{name}'s c2w", target.cameras.c2w, (count, 4, 4)),
    ]
    if target.depth is not None:
        outputs.append(Output(f"{name}'s depth", target.depth, (count, height, width, 1)))
    if target.normal is not None:
        outputs.append(Output(f"{name}'s normal", target.normal, (count, height, width, 3), -1, 1))
    return outputs


def _use_data(trial: Trial, part: Any, situation: Situation) -> list[Output]:
    _prepared(part, situation.device)
    target = part.sample(Moment.at(3, 10, situation.seed).sub("data"))
    return [*_target_outputs(target, "the target"), *_target_outputs(part.all(), "all")]


def _held_out(trial: Trial) -> None:
    data = _prepared(trial.build())
    try:
        held_out = data.held_out()
    except ConfigError:
        return
    if not isinstance(held_out, HeldOut) or len(held_out.names) != len(held_out.views.cameras):
        raise Fault("held_out gives no HeldOut with one name for each view; raise ConfigError where there is none")


def _declared_targets(trial: Trial) -> None:
    target = _prepared(trial.build()).sample(Moment.at(0, 10, 0))
    for name in ("depth", "normal"):
        promised = name in bare(within(TARGET, trial.capabilities.gives))
        if promised and getattr(target, name) is None:
            raise Fault(f"capabilities promise {name}, and the target has none")


DATA = Procedure(
    _use_data,
    minimum=11,
    build=_build_data,
    checks=(
        Check("held out", "held-out views are given, or their absence is a ConfigError", _held_out),
        Check("targets", "targets have what capabilities promise", _declared_targets),
    ),
    skips={"batches": "their number is a setting", "nan": "it has no inputs"},
)


def _use_dataset(trial: Trial, part: Any, situation: Situation) -> list[Output]:
    part.prepare(torch.device(situation.device))
    batch = part.batch(Draws(situation.seed, 3), situation.batch)
    outputs = []
    for name, value in leaves(batch):
        if isinstance(value, torch.Tensor):
            rows = len(value) if value.ndim else 0
            shape = (rows if rows and rows % situation.batch == 0 else situation.batch, *value.shape[1:])
            ends = (0, 1) if name in ("images", "reference", "target", "views", "opacity") else (None, None)
            outputs.append(Output(name, value, shape, *ends))
        else:
            outputs.append(Output(name, value))
    return outputs


def _never_seen(trial: Trial) -> None:
    dataset = trial.build()
    if not hasattr(dataset, "held_out"):
        raise Skip("it holds nothing out")
    if len(inspect.signature(dataset.held_out).parameters) > 2:
        raise Skip("its held-out objects take more than draws and a size")
    dataset.prepare(torch.device("cpu"))
    try:
        unseen = dict(tensors(dataset.held_out(Draws(0, 3), 2)))
    except ConfigError:
        return
    for name, value in tensors(dataset.batch(Draws(0, 3), 2)):
        if value.ndim == 4 and equal(value, unseen.get(name), 0) and value.std() > 0:
            raise Fault(f"{name} of held-out objects are those that are trained on")


DATASET = Procedure(
    _use_dataset,
    minimum=11,
    checks=(Check("held out", "held-out objects are others than those of the batches", _never_seen),),
    skips={"nan": "it has no inputs"},
)


def _photographs(situation: Situation) -> Picture:
    pictures = inputs.ball_pictures(inputs.cameras(situation.batch, 32, seed=situation.seed)).to(situation.device)
    color = pictures.over(0.95)
    return Picture.opaque(color * torch.nan if situation.spoiled else color)


def _cut_out(part: Any, situation: Situation) -> Picture:
    opaque = _photographs(situation)
    try:
        result: Picture = part(opaque)
    except ConfigError:  # it takes the alpha of the file
        if situation.spoiled:
            raise
        cut = inputs.ball_pictures(inputs.cameras(situation.batch, 32, seed=situation.seed))
        result = part(Picture(opaque.color, cut.alpha))
    return result


def _use_matting(trial: Trial, part: Any, situation: Situation) -> list[Output]:
    picture = _cut_out(part, situation)
    shape = (situation.batch, 32, 32)
    return [Output("color", picture.color, (*shape, 3), 0, 1), Output("alpha", picture.alpha, (*shape, 1), 0, 1)]


def _keeps_color(trial: Trial) -> None:
    picture = _cut_out(trial.build(), Situation())
    inside = (picture.alpha > 0.999).expand_as(picture.color)
    if not torch.allclose(picture.color[inside], _photographs(Situation()).color[inside], atol=0.02):
        raise Fault("where the object covers a pixel, its color is another than the picture's")


MATTING = Procedure(
    _use_matting,
    minimum=12,
    checks=(Check("color", "covered pixels keep their color", _keeps_color),),
)


def _generate(part: Any, situation: Situation, views: bool = True) -> Generated:
    generated: Generated = part.generate(
        inputs.request(), inputs.ball_views(6, 32) if views else None, Draws(situation.seed, 0).sub("generator")
    )
    return generated


def _use_generator(trial: Trial, part: Any, situation: Situation) -> list[Output]:
    generated = _generate(part, situation)
    if isinstance(generated, Mesh):
        return [Output("vertices", generated.vertices, (len(generated.vertices), 3)), Output("faces", generated.faces)]
    if isinstance(generated, DistanceGrid):
        outputs = [
            Output("distances", generated.distances),
            Output("low", generated.low),
            Output("cell", generated.cell),
        ]
        return outputs + ([] if generated.colors is None else [Output("colors", generated.colors, None, 0, 1)])
    if isinstance(generated, SplatCloud):
        n = len(generated)
        shapes = {"means": (n, 3), "quaternions": (n, 4), "scales": (n, 3), "opacities": (n,)}
        return [Output(name, getattr(generated, name), shape) for name, shape in shapes.items()]
    raise Fault(f"it makes a {type(generated).__name__}, and should make a Mesh, a DistanceGrid or a SplatCloud")


def _within_cube(trial: Trial) -> None:
    generated = _generate(trial.build(), Situation())
    if isinstance(generated, DistanceGrid):
        if not (generated.distances < 0).any():
            raise Fault("the distances are nowhere negative, so nothing is inside")
        return
    points = torch.as_tensor(generated.vertices if isinstance(generated, Mesh) else generated.means)
    if not len(points) or float(points.norm(dim=-1).max()) > FARTHEST:
        raise Fault("what it makes is empty, or reaches out of the cube of half side 1 about the origin")


def _without_views(trial: Trial) -> None:
    try:
        _generate(trial.build(), Situation(), views=False)
    except ConfigError as problem:
        if "\n" in str(problem):
            raise Fault("without views it ends in more than a line") from None


GENERATOR = Procedure(
    _use_generator,
    minimum=11,
    checks=(
        Check("within", "what it makes lies in the cube about the origin", _within_cube),
        Check("no views", "without views it works, or says so in a ConfigError", _without_views),
    ),
    skips={"batches": "it makes one object", "nan": "its pictures come from files or an earlier stage"},
)


_ROWS, _COLUMNS = 20, 36  # of the left views of stereo


def _left_views(situation: Situation) -> torch.Tensor:
    coarse = inputs.numbers("left", situation.batch, 3, 5, 9, seed=situation.seed)
    left = torch.nn.functional.interpolate(coarse, (_ROWS, _COLUMNS), mode="bilinear").permute(0, 2, 3, 1)
    return (left * torch.nan if situation.spoiled else left).to(situation.device)


def _use_stereo(trial: Trial, part: Any, situation: Situation) -> list[Output]:
    left = _left_views(situation)
    view = part.estimate(left).right_view(left, Depth3D())
    outputs = [Output("rgb", view.rgb, tuple(left.shape), 0, 1)]
    return outputs + ([] if view.shift is None else [Output("shift", view.shift, None, -1, 1)])


def _same_alone(trial: Trial) -> None:
    left, part = _left_views(Situation(batch=3)), trial.build()
    together = part.estimate(left).right_view(left, Depth3D()).rgb
    alone = torch.cat([part.estimate(one).right_view(one, Depth3D()).rgb for one in left.split(1)])
    if not equal(together, alone, 1e-4):
        raise Fault("a view comes out differently in a batch and alone")


def _flat(trial: Trial) -> None:
    left, part = _left_views(Situation()), trial.build()
    try:
        view = part.estimate(left).right_view(left, Depth3D(strength=0.0))
    except ConfigError:  # it has no shifts to change
        return
    if view.shift is not None and float(view.shift.abs().max()) > 1e-6:
        raise Fault("with a strength of 0 there are shifts left")


def _smooth(trial: Trial) -> None:
    left, part = _left_views(Situation()), trial.build()
    same = left[:1].expand(3, -1, -1, -1).contiguous()
    estimate = part.estimate(same)
    smoothed = estimate.smoothed(estimate.values[-1:], 0.5).right_view(same, Depth3D()).rgb
    if not equal(smoothed, estimate.right_view(same, Depth3D()).rgb, 1e-4):
        raise Fault("smoothing changes a film that stands still")


STEREO = Procedure(
    _use_stereo,
    minimum=12,
    checks=(
        Check("alone", "a view comes out the same in a batch and alone", _same_alone),
        Check("flat", "a strength of 0 leaves no shifts, or is refused", _flat),
        Check("smooth", "smoothing leaves a film that stands still as it is", _smooth),
    ),
)


def _use_truth(trial: Trial, part: Any, situation: Situation) -> list[Output]:
    outputs = [Output("gives", tuple(part.gives))]
    if "surface" in part.gives:
        mesh = part.surface()
        outputs += [Output("vertices", mesh.vertices, (len(mesh.vertices), 3)), Output("faces", mesh.faces)]
    if "views" in part.gives:
        views = part.views()
        shape = (len(views), *views.picture.size, 3)
        outputs += [
            Output("pictures", views.picture.color, shape, 0, 1),
            Output("alpha", views.picture.alpha, None, 0, 1),
        ]
    return outputs


def _closed(trial: Trial) -> None:
    part = trial.build()
    if not part.gives or not set(part.gives) <= {"surface", "views"}:
        raise Fault(f"gives is {part.gives!r}, and may hold surface and views")
    if "surface" in part.gives:
        import trimesh

        mesh = part.surface()
        solid = trimesh.Trimesh(mesh.vertices, mesh.faces, process=True)
        if not solid.is_watertight or solid.volume < 0:
            raise Fault("the surface is not closed, or wound inward")


TRUTH = Procedure(
    _use_truth,
    minimum=11,
    checks=(Check("closed", "the true surface is closed and wound outward", _closed),),
    skips={"batches": "it is one object", "nan": "it has no inputs"},
)
