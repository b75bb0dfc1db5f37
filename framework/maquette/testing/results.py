"""Procedures of what works on finished things or for long: exporters, metrics, stages and learners."""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from maquette.cameras.base import Cameras, orbit_cameras
from maquette.config.parts import PartSpec
from maquette.config.schema import MethodConfig
from maquette.data.formats import PosedImages
from maquette.datasets.base import (
    CaptionedGroups,
    CaptionedImages,
    DepthsAndNormals,
    DescribedPictures,
    LabelledPictures,
    PosedPairs,
    StereoPairs,
)
from maquette.errors import RunError
from maquette.meshes.mesh import Mesh
from maquette.metrics.base import Case, Truth, TruthForm
from maquette.randomness import Draws
from maquette.stages.base import Artifacts, StageContext
from maquette.testing import inputs
from maquette.testing.trial import Check, Fault, Output, Procedure, Situation, Skip, Slope, Trial, difference
from maquette.training.run_folder import RunFolder

_NO_BATCH = "it takes one object"
_NO_NAN = "its object is finished, and was checked before"


def _export(trial: Trial, exporter: Any, folder: Path) -> list[Path]:
    """Exports the first form of object that gives files."""
    reason: Exception = RunError("it returns no files")
    for form in ("surface", "splats"):
        try:
            paths: list[Path] = exporter(inputs.scene(form), folder)
        except RunError as problem:  # it takes another form of object
            reason = problem
            continue
        if paths:
            return paths
    raise reason


def _use_exporter(trial: Trial, exporter: Any, situation: Situation) -> list[Output]:
    folder = trial.folder / "export"
    return [Output(path.name, path.read_bytes()) for path in _export(trial, exporter, folder)]


def _files(trial: Trial) -> None:
    folder = trial.folder / "new" / "folder"
    paths = _export(trial, trial.build(), folder)
    for path in paths:
        if not path.is_file() or not path.stat().st_size:
            raise Fault(f"it returns {path.name}, and there is no such file, or it is empty")
        if folder.resolve() not in path.resolve().parents:
            raise Fault(f"it writes {path.name} outside the folder that it is given")
    left = [path.name for path in folder.rglob("*") if path.is_file() and path.name.startswith((".", "tmp"))]
    if left:
        raise Fault(f"it leaves temporary files: {', '.join(left)}")


EXPORTER = Procedure(
    _use_exporter,
    minimum=8,
    checks=(Check("files", "the files that it returns exist, in the folder that it is given", _files),),
    skips={"batches": _NO_BATCH, "nan": _NO_NAN},
)


class BallTruth(Truth):
    """The ball that the tiny scenes show."""

    @dataclass(frozen=True)
    class Config:
        pass

    def __init__(self, config: Config) -> None:
        self.config = config

    @property
    def gives(self) -> tuple[TruthForm, ...]:
        return ("surface", "views")

    def surface(self) -> Mesh:
        return inputs.ball_mesh()

    def views(self) -> PosedImages:
        return inputs.ball_views()


def _case(trial: Trial) -> Case:
    truth = PartSpec("truth", "ball", BallTruth, BallTruth.Config())
    image = trial.folder / "reference.png"
    if not image.is_file():
        rgba = (inputs.ball_views(1, 32).picture.rgba[0] * 255).byte().numpy()
        Image.fromarray(rgba).save(image)
    return Case("a red mug", {"category": "mug", "colour": "red"}, truth, str(image))


def _use_metric(trial: Trial, metric: Any, situation: Situation) -> list[Output]:
    measurement = metric(inputs.scene("surface"), _case(trial))
    values = {name: float(value) for name, value in measurement.values.items()}
    return [Output(name, torch.tensor(value), ()) for name, value in values.items()]


def _directions(trial: Trial) -> None:
    metric = trial.build()
    measurement = metric(inputs.scene("surface"), _case(trial))
    directions = metric.directions()
    if missing := set(measurement.values) - set(directions):
        raise Fault(f"directions() does not say which is better of {', '.join(sorted(missing))}")
    if not set(directions.values()) <= {"higher", "lower"}:
        raise Fault("a direction is neither higher nor lower")


def _plain_facts(trial: Trial) -> None:
    try:
        json.dumps(trial.build()(inputs.scene("surface"), _case(trial)).facts)
    except TypeError as problem:
        raise Fault(f"facts are no plain data: {problem}") from None


METRIC = Procedure(
    _use_metric,
    minimum=10,
    checks=(
        Check("directions", "it says of each value which is better", _directions),
        Check("facts", "facts are plain data", _plain_facts),
    ),
    skips={"batches": _NO_BATCH, "nan": _NO_NAN},
)


def _context(trial: Trial, stage: Any, run: RunFolder) -> StageContext:
    spec = PartSpec(trial.kind, trial.name, trial.cls, trial.config)
    artifacts = Artifacts(scene=inputs.scene("surface"), views=inputs.ball_views())
    return StageContext("tested", MethodConfig(stages={"tested": spec}, prompt="a red mug"), run, False, artifacts)


def _artifacts(context: StageContext) -> list[Output]:
    artifacts = context.artifacts
    outputs = [Output("words", [path.name for path in artifacts.words]), Output("models", sorted(artifacts.models))]
    if artifacts.scene is not None:
        outputs += [Output(f"scene.{name}", one) for name, one in artifacts.scene.state_dict().items()]
    if artifacts.views is not None:
        outputs.append(Output("views", artifacts.views.picture.color, None, 0, 1))
    return outputs


def _use_stage(trial: Trial, stage: Any, situation: Situation) -> list[Output]:
    run = RunFolder.create(str(trial.folder / "outputs"), "tested", "a red mug", "{}")
    context = _context(trial, stage, run)
    stage.check_inputs(context.name)
    stage.run(context)
    return _artifacts(context)


def _restores(trial: Trial) -> None:
    run = RunFolder.create(str(trial.folder / "outputs"), "tested", "a red mug", "{}")
    stage = trial.build()
    first, second = _context(trial, stage, run), _context(trial, stage, run)
    stage.run(first)
    trial.build().restore(second)
    if name := difference(_artifacts(first), _artifacts(second)):
        raise Fault(f"{name} is another when the stage's results are restored")


STAGE = Procedure(
    _use_stage,
    minimum=10,
    checks=(Check("restores", "restore gives what run gave", _restores),),
    skips={"batches": _NO_BATCH, "nan": "what it begins with is finished", "gradients": "it runs its own optimisation",
           "differences": "it runs its own optimisation"},
)  # fmt: skip


class TinyDataset:
    """A data set of random pictures, in the batches of any learner that this package knows."""

    views = 4
    frame = (32, 32)
    numbers = ("red", "green", "blue")

    def __init__(self, batch: type) -> None:
        self.kind = batch

    def prepare(self, device: torch.device) -> None:
        """Nothing is to be read."""

    def words(self) -> Sequence[str]:
        return ["a", "red", "green", "mug"]

    def sample_captions(self) -> Sequence[str]:
        return ["a red mug", "a green mug"]

    def batch(self, draws: Draws, size: int) -> Any:
        """A batch of this data set's kind."""
        images = draws.uniform("images", size, 32, 32, 3)
        captions = [self.sample_captions()[index % 2] for index in range(size)]
        if self.kind is torch.Tensor:
            return images
        if self.kind is CaptionedImages:
            return CaptionedImages(images, captions)
        if self.kind is PosedPairs:
            return PosedPairs(
                images, images.flip(0), self._around(size, draws), self._around(size, draws.sub("target"))
            )
        if self.kind is CaptionedGroups:
            views = draws.uniform("views", size * self.views, 32, 32, 3)
            return CaptionedGroups(views, self._around(size * self.views, draws), captions)
        if self.kind is DepthsAndNormals:
            depth, normal = 2 + images[..., :1], torch.nn.functional.normalize(images - 0.5, dim=-1)
            return DepthsAndNormals(images, torch.ones_like(depth), depth, normal)
        if self.kind is StereoPairs:
            shift = images[..., :1] - 0.5
            return StereoPairs(images, images.roll(1, 2), shift, shift)
        if self.kind is LabelledPictures:
            return LabelledPictures(images, draws.integers("labels", 0, 11, size, 32, 32))
        if self.kind is DescribedPictures:
            return DescribedPictures(images, draws.uniform("fractions", size, 12).softmax(1), images.mean((1, 2)))
        raise Skip(f"there is no tiny data set of {getattr(self.kind, '__name__', self.kind)}")

    def held_out(self, draws: Draws, size: int) -> Any:
        return self.batch(draws.sub("held out"), size)

    def _around(self, count: int, draws: Draws) -> Cameras:
        ones = torch.ones(count)
        azimuth = draws.uniform("azimuth", count, high=360)
        return orbit_cameras(azimuth, 10 * ones, inputs.DISTANCE * ones, inputs.FOV_Y_DEG * ones, 32)


def batch_type(cls: Any) -> type:
    """The type of a learner's batches, from the arguments of its generic base or of its method `loss`."""
    for base in cls.__mro__:
        for generic in getattr(base, "__orig_bases__", ()):
            arguments = typing.get_args(generic)
            if len(arguments) >= 2 and isinstance(arguments[1], type):
                return arguments[1]
    hint = typing.get_type_hints(cls.loss).get("batch")
    return hint if isinstance(hint, type) else CaptionedImages


def _build_learner(trial: Trial) -> Any:
    dataset = TinyDataset(batch_type(trial.cls))
    dataset.batch(Draws(0, 0), 1)  # skips where there is none
    learner = trial.cls(trial.config)
    learner.build(dataset)
    return learner


def _loss(trial: Trial, learner: Any, situation: Situation) -> Any:
    batch = TinyDataset(batch_type(trial.cls)).batch(Draws(situation.seed, 3), situation.batch)
    if situation.spoiled and isinstance(batch, torch.Tensor):
        batch = batch * torch.nan
    elif situation.spoiled:
        spoiled = {
            entry.name: value * torch.nan
            for entry in dataclasses.fields(batch)
            if isinstance(value := getattr(batch, entry.name), torch.Tensor) and value.is_floating_point()
        }
        batch = dataclasses.replace(batch, **spoiled)
    return learner.loss(batch, Draws(situation.seed, 3).sub("learner"))


def _use_learner(trial: Trial, learner: Any, situation: Situation) -> list[Output]:
    terms = _loss(trial, learner, situation)
    return [Output(f"loss {name}", one, ()) for name, one in terms.losses.items()]


def _learner_slopes(trial: Trial, learner: Any, dtype: torch.dtype) -> list[Slope]:
    parameters = [(name, one) for name, one in learner.named_parameters() if one.requires_grad]
    return [Slope(name, one, lambda: _loss(trial, learner, Situation()).total()) for name, one in parameters[:4]]


def _saves(trial: Trial) -> None:
    learner = trial.build()
    learner.after_step(0)
    folder = trial.folder / "model"
    folder.mkdir()
    learner.save(folder)
    if not any(folder.rglob("*.safetensors")):
        raise Fault("save writes no .safetensors file")


LEARNER = Procedure(
    _use_learner,
    minimum=12,
    build=_build_learner,
    slopes=_learner_slopes,
    train=lambda trial, learner: learner.after_step(0),
    checks=(Check("saves", "save writes safetensors", _saves),),
    skips={"differences": "its networks are float32, of many layers; the gradients are checked to be finite"},
)
