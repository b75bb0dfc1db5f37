"""Every number of every part has its legal range beside its type, and one outside is refused by its key."""

import dataclasses
import math
import typing
from typing import Annotated, Any

import pytest
from typer.testing import CliRunner

from maquette import plugins, registry
from maquette.annotations import Range
from maquette.cli.app import app
from maquette.config import load_method
from maquette.config.parts import check, field_types
from maquette.config.schedules import Schedule
from maquette.config.show import legal_ranges
from maquette.config.values import ranges
from maquette.errors import ConfigError
from maquette.training.settings import LoopConfig

plugins.load()
PARTS = [(kind, name) for kind in registry.KINDS for name in registry.names(kind)]
FREE = {
    "azimuth_deg", "azimuth_offset_deg", "azimuths_deg", "rotation_deg", "exposure", "shift", "blob_strength",
    "scale", "image_scale", "text_scale", "sample_scale", "weights", "gradient", "fill", "means", "image", "center",
    "weight", "a", "b", "c", "mean", "window",
}  # fmt: skip
"""Fields of which every finite number is legal, or that are checked together with others."""


def numeric_fields(cls: Any):
    for field in dataclasses.fields(cls):
        expected = field_types(cls)[field.name]
        if dataclasses.is_dataclass(expected) and expected is not Schedule:
            yield from numeric_fields(expected)
        elif any(number in flat(expected) for number in (int, float, Schedule)):
            yield cls, field.name, expected


def flat(expected: Any) -> set[Any]:
    """The types within a type."""
    inner = {one for argument in typing.get_args(expected) for one in flat(argument)}
    return {expected, *inner} if isinstance(expected, type) else inner


def marks(expected: Any) -> list[Range]:
    return ranges(expected) or [mark for argument in typing.get_args(expected) for mark in ranges(argument)]


@pytest.mark.parametrize(("kind", "name"), PARTS)
def test_every_number_of_a_part_has_a_range_or_is_free(kind, name):
    for cls, field, expected in numeric_fields(registry.get(kind, name).Config):
        assert marks(expected) or field in FREE, f"{cls.__qualname__}.{field}: {expected}"


@pytest.mark.parametrize(("kind", "name"), PARTS)
def test_a_number_out_of_range_is_refused_by_key_and_range(kind, name):
    for _, field, expected in numeric_fields(registry.get(kind, name).Config):
        if typing.get_origin(expected) is not Annotated or expected.__origin__ not in (int, float, Schedule):
            continue
        (mark,) = marks(expected)
        wrong = mark.low - 1 if math.isfinite(mark.low) else mark.high + 1
        wrong = int(wrong) if expected.__origin__ is int else float(wrong)
        with pytest.raises(ConfigError, match=rf"^part\.{field}: must be {mark}, and not {wrong:g}"):
            check(expected, wrong, f"part.{field}", lambda key: None)
        if mark.open:
            with pytest.raises(ConfigError, match=f"must be {mark}"):
                check(expected, mark.low, f"part.{field}", lambda key: None)


@pytest.mark.parametrize(("kind", "name"), PARTS)
def test_the_defaults_of_a_part_are_legal(kind, name):
    from maquette.config.parts import plain

    for cls, field, expected in numeric_fields(registry.get(kind, name).Config):
        spec = next(item for item in dataclasses.fields(cls) if item.name == field)
        default = spec.default_factory() if spec.default_factory is not dataclasses.MISSING else spec.default
        if default is not dataclasses.MISSING:
            check(expected, plain(default), f"{cls.__qualname__}.{field}", lambda key: None)


WRONG = {
    f"stages.nerf.steps={'9' * 400}": "is too large; whole numbers are at most 2**64",
    f"stages.nerf.guidance.sds.weight=[[0,1],[{'9' * 400},2]]": "a schedule's step is a whole number",
    "seed=18446744073709551616": "seed: must be from 0 to 9223372036854775807",
    "seed=-1": "seed: must be from 0 to",
    "stages.nerf.steps=0": "stages.nerf.steps: must be at least 1",
    "stages.nerf.cameras.batch=0": "stages.nerf.cameras.batch: must be at least 1, and not 0",
    "stages.nerf.cameras.distance=[0, 0]": "stages.nerf.cameras.distance.0: must be above 0, and not 0",
    "stages.nerf.cameras.distance=[-2, -1]": "stages.nerf.cameras.distance.0: must be above 0",
    "stages.nerf.cameras.elevation_deg=[0, 120]": "stages.nerf.cameras.elevation_deg.1: must be from -90 to 90",
    "stages.nerf.cameras.fov_y_deg=[0, 0]": "stages.nerf.cameras.fov_y_deg.0: must be between 0 and 180",
    "stages.nerf.cameras.position_jitter=-0.1": "stages.nerf.cameras.position_jitter: must be at least 0",
    "stages.nerf.cameras.up_jitter=.nan": "stages.nerf.cameras.up_jitter: expected a number, got the number nan",
    "stages.nerf.cameras.size=[[0, 64], [10, 0]]": "stages.nerf.cameras.size: must be from 1 to 16384, and not 0",
    "stages.nerf.learning_rates.default=-1": "stages.nerf.learning_rates.default: must be at least 0, and not -1",
    "stages.nerf.view.distance=0": "stages.nerf.view.distance: must be above 0",
    "stages.nerf.renderer.samples=0": "stages.nerf.renderer.samples: must be at least 1",
    "stages.export.exporters.mesh.max_faces=1": "exporters.mesh.max_faces: must be at least 4, and not 1",
    "stages.export.exporters.turntable.fps=0": "stages.export.exporters.turntable.fps: must be at least 1",
}


@pytest.mark.parametrize("word", WRONG)
def test_a_wrong_number_is_one_line_before_the_run_folder_is_made(word, tmp_path):
    result = CliRunner().invoke(app, ["run", "dreamfusion", "prompt=x", f"output={tmp_path / 'out'}", word])
    assert result.exit_code == 2 and WRONG[word] in result.output
    assert result.output.count("\n") == 1 and not (tmp_path / "out").exists()


def test_show_prints_the_range_of_each_number():
    result = CliRunner().invoke(app, ["show", "dreamfusion"])
    line = next(line for line in result.output.splitlines() if line.strip().startswith("fov_y_deg: 35"))
    assert line.endswith("; between 0 and 180")
    legal = legal_ranges(load_method("dreamfusion", ["prompt=x"]).method)
    assert legal["stages.nerf.learning_rates.default"] == "at least 0"
    assert legal["stages.nerf.cameras.distance"] == "above 0" and legal["stages.nerf.steps"] == "at least 1"


def test_a_range_says_what_it_is():
    texts = [str(Range(0, 1)), str(Range(0)), str(Range(0, open=True)), str(Range(0, 180, open=True))]
    assert texts == ["from 0 to 1", "at least 0", "above 0", "between 0 and 180"]
    assert not Range(0).contains(math.nan) and Range(0).contains(0) and not Range(0, open=True).contains(0)


def test_the_loop_has_ranges_too():
    with pytest.raises(ConfigError, match=r"loop\.checkpoint_every: must be at least 0"):
        check(LoopConfig, {"checkpoint_every": -1}, "loop", lambda key: None)
