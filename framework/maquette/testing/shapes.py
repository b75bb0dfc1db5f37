"""Procedures of geometries and of strategies of densification."""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch
from torch import nn

from maquette.cameras.base import Cameras
from maquette.config.parts import part
from maquette.geometry.base import ChangedRows, GaussianCloud
from maquette.geometry.densification.base import CloudParameters
from maquette.kernels.splatting import Projected
from maquette.randomness import Moment
from maquette.renderers.base import View
from maquette.testing import inputs
from maquette.testing.trial import Check, Fault, Output, Procedure, Situation, Skip, Slope, Trial, equal

POINTS = 12  # of a batch of one
GAUSSIANS = 30
RATES = {"means": 1e-3, "scales": 1e-3, "rotations": 1e-3, "opacities": 1e-2, "features": 1e-2, "harmonics": 1e-3}


def _points(situation: Situation, part: Any) -> torch.Tensor:
    points = inputs.numbers("points", situation.batch * POINTS, 3, seed=situation.seed, low=-0.8, high=0.8)
    return (points * part.bound).to(situation.device)


def _use_geometry(trial: Trial, part: Any, situation: Situation) -> list[Output]:
    part.to(situation.device)
    part.prepare(Moment.at(3, 10, situation.seed))
    if situation.spoiled:
        for parameter in part.parameters():
            parameter.data.fill_(torch.nan)
    if part.form == "splats":
        return _use_splats(part)
    points = _points(situation, part)
    n = len(points)
    if part.form == "surface":
        mesh = part.mesh()
        return [
            Output("vertices", mesh.vertices, (len(mesh.vertices), 3), -1.01 * part.bound, 1.01 * part.bound),
            Output("triangles", mesh.triangles, (len(mesh.triangles), 3)),
            Output("features", part.features(points), (n, part.channels)),
        ]
    sample = part.query(points, normals=True)
    outputs = [
        Output("density", sample.density, (n,), 0),
        Output("features", sample.features, (n, part.channels)),
        Output("density alone", part.density(points), (n,), 0),
    ]
    if sample.normal is not None:
        outputs.append(Output("normal", sample.normal, (n, 3), -1, 1))
    return outputs


def _use_splats(part: Any) -> list[Output]:
    cloud = part.splats()
    n = len(cloud)
    return [
        Output("means", cloud.means, (n, 3)),
        Output("quaternions", cloud.quaternions, (n, 4)),
        Output("scales", cloud.scales, (n, 3), 0),
        Output("opacities", cloud.opacities, (n,), 0, 1),
        Output("harmonics", cloud.harmonics, (n, cloud.harmonics.shape[1], part.channels)),
    ]


def _geometry_slopes(trial: Trial, part: Any, dtype: torch.dtype) -> list[Slope]:
    part.to(dtype)
    part.prepare(Moment.at(3, 10, 0))
    parameters = {name: one for name, one in part.named_parameters() if one.requires_grad}
    if part.form == "splats":
        return [Slope(name, one, lambda: _sum_of_squares(part.splats())) for name, one in parameters.items()]
    points = _points(Situation(), part).to(dtype)
    weights = inputs.numbers("weights", len(points), low=-1).to(dtype)

    def features() -> torch.Tensor:
        values = part.features(points) if part.form == "surface" else part.query(points).features
        return (values * weights[:, None]).sum()

    def shape() -> torch.Tensor:
        if part.form == "surface":
            return part.mesh().vertices.square().sum()
        return (part.density(points) * weights).sum()

    return [Slope(f"{name}, of features,", one, features) for name, one in parameters.items()] + [
        Slope(f"{name}, of the shape,", one, shape) for name, one in parameters.items()
    ]


def _sum_of_squares(cloud: GaussianCloud) -> torch.Tensor:
    columns = (cloud.means, cloud.scales, cloud.opacities, cloud.harmonics)
    return torch.stack([one.square().sum() for one in columns]).sum()


def _groups(trial: Trial) -> None:
    part = trial.build()
    counts = Counter(id(one) for group in part.groups().values() for one in group)
    names = {id(one): name for name, one in part.named_parameters() if one.requires_grad}
    for key, name in names.items():
        if counts[key] != 1:
            raise Fault(f"the parameter {name} is in {counts[key]} groups, so it has {counts[key]} learning rates")


def _steps(trial: Trial) -> None:
    part = trial.build()
    for step in range(2):
        moment = Moment.at(step, 2, 0)
        part.prepare(moment)
        changes = part.after_step(moment)
        if not isinstance(changes, list) or not all(isinstance(one, ChangedRows) for one in changes):
            raise Fault("after_step returns no list of ChangedRows")
    trial.use(part)


def _pointwise(trial: Trial) -> None:
    part = trial.build()
    if part.form == "splats":
        raise Skip("Gaussians are not asked at points")
    points = _points(Situation(), part)
    part.prepare(Moment.at(3, 10, 0))
    ask = part.features if part.form == "surface" else part.density
    if not equal(ask(points)[:1], ask(points[:1]), 1e-5):
        raise Fault("what is at a point depends on the other points of the batch")


def _indices(trial: Trial) -> None:
    part = trial.build()
    if part.form != "surface":
        raise Skip("only a surface has triangles")
    mesh = part.mesh()
    if mesh.triangles.dtype != torch.int64 or not len(mesh.triangles):
        raise Fault(
            f"triangles are {mesh.triangles.dtype}, {len(mesh.triangles)} of them, and should be int64, and some"
        )
    if int(mesh.triangles.min()) < 0 or int(mesh.triangles.max()) >= len(mesh.vertices):
        raise Fault("triangles name vertices that do not exist")


def _train_geometry(trial: Trial, part: Any) -> None:
    part.prepare(Moment.at(3, 10, 0))
    part.after_step(Moment.at(3, 10, 0))


GEOMETRY = Procedure(
    _use_geometry,
    minimum=12,
    slopes=_geometry_slopes,
    train=_train_geometry,
    checks=(
        Check("groups", "each parameter is in one group", _groups),
        Check("steps", "prepare and after_step of each step work", _steps),
        Check("pointwise", "a point does not depend on the other points", _pointwise),
        Check("triangles", "triangles name vertices that exist", _indices),
    ),
    skips={"differences": "a surface or a hash grid bends between two points; the gradients are checked to be finite"},
)


def _cloud(count: int, seed: int) -> CloudParameters:
    def values(name: str, *shape: int, low: float, high: float) -> nn.Parameter:
        return nn.Parameter(inputs.numbers(name, *shape, seed=seed, low=low, high=high))

    return CloudParameters(
        values("means", count, 3, low=-0.5, high=0.5), values("rotations", count, 4, low=0.1, high=1),
        values("scales", count, 3, low=-3.5, high=-2.5), values("opacities", count, low=-6, high=2),
        values("features", count, 1, 3, low=-1, high=1), nn.Parameter(torch.zeros(count, 0, 3)), False, 1.0,
    )  # fmt: skip


def _projections(cloud: CloudParameters, views: Cameras) -> tuple[Projected, ...]:
    """Projections of the cloud into views, with screen-space gradients."""

    class Fixed(nn.Module):
        form, bound, channels, config = "splats", 1.0, 3, None

        def splats(self) -> Any:
            return cloud.cloud

    renderer = part("renderer", "splat").build(bound=1.0)
    material, background = part("material", "plain").build(), part("background", "solid").build()
    rendering = renderer.render(Fixed(), material, background, View(views, normals=False))
    rendering.rgb.square().sum().backward()
    return rendering.projections or ()


def _adapted(trial: Trial, part: Any, situation: Situation) -> tuple[CloudParameters, list[ChangedRows]]:
    cloud = _cloud(GAUSSIANS, situation.seed)
    part.reset(GAUSSIANS, torch.device("cpu"))
    changes: list[ChangedRows] = []
    for step in range(100, 102):
        projections = _projections(cloud, inputs.cameras(situation.batch, seed=situation.seed))
        with torch.no_grad():
            changes += part.adapt(cloud, projections, Moment.at(step, 1000, situation.seed), RATES)
        del projections  # their graph has the rows of before
        for parameter in cloud.all:
            parameter.grad = None
    return cloud, changes


def _use_densification(trial: Trial, part: Any, situation: Situation) -> list[Output]:
    cloud, changes = _adapted(trial, part, situation)
    named = {name: getattr(cloud, name) for name in ("means", "rotations", "scales", "opacities", "features")}
    return [
        *(Output(name, one.detach(), (len(cloud), *one.shape[1:])) for name, one in named.items()),
        *(Output(f"changed rows {index}", change.rows) for index, change in enumerate(changes)),
    ]


def _rows(trial: Trial) -> None:
    _, changes = _adapted(trial, trial.build(), Situation())
    before = GAUSSIANS
    for change in changes:
        if change.rows.dtype != torch.int64 or (len(change.rows) and int(change.rows.max()) >= 10 * before):
            raise Fault("ChangedRows.rows are not indices of rows")
    last = {id(one): change for change in changes for one in change.parameters}
    for change in last.values():
        for one in change.parameters:
            if last[id(one)] is change and len(one) != len(change.rows):
                raise Fault(f"ChangedRows has {len(change.rows)} rows for a parameter of {len(one)}")


DENSIFICATION = Procedure(
    _use_densification,
    minimum=9,
    build=lambda trial: trial.cls(trial.config, count=GAUSSIANS),
    checks=(Check("rows", "what is returned describes the new rows", _rows),),
    skips={
        "batches": "its inputs are a cloud and all views of a step", "nan": "the stage stops at such a cloud before",
        "stateless": "it gathers statistics over steps",
    },
)  # fmt: skip
