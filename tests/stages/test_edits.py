"""What may change in the configuration of a run that has begun, and what such a change does."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from maquette.config.loading import load_method
from maquette.errors import ConfigError
from maquette.stages.edits import Edits, compare_configs
from maquette.training.run_folder import RunFolder

STAGE = {
    "type": "optimise", "steps": 10, "cameras": {"type": "random-orbit"},
    "geometry": {"type": "voxel-grid", "resolution": 8}, "material": "plain", "background": "solid",
    "renderer": "volume", "losses": {"opacity": {"weight": 1.0}},
}  # fmt: skip
EXPORT = {"type": "export", "exporters": {"points": {}}}


class Edited:
    """A run of three stages, of which the first is finished, or all are."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "method.yaml"
        stages = {name: copy.deepcopy(stage) for name, stage in (("one", STAGE), ("two", STAGE), ("export", EXPORT))}
        self.data: dict[str, Any] = {"prompt": "a mug", "stages": stages}
        self.before = self.resolved().plain
        self.run = RunFolder.create(str(folder), "m", "a mug", "{}\n")

    def resolved(self) -> Any:
        self.file.write_text(yaml.safe_dump(self.data, sort_keys=False))
        return load_method(str(self.file))

    def saved(self, stage: str, step: int) -> None:
        (self.run.checkpoints / stage / f"step-{step:08d}").mkdir(parents=True)

    def compare(self, *finished: str) -> Edits:
        now = self.resolved()
        return compare_configs(now.method, self.before, now.plain, self.run, list(finished))


@pytest.fixture
def edited(tmp_path: Path) -> Edited:
    begun = Edited(tmp_path)
    begun.saved("one", 10)
    return begun


def test_nothing_changed_is_nothing_to_do(edited):
    assert edited.compare("one") == Edits((), ("one",), ())


def test_more_steps_open_a_finished_stage_and_renew_those_after_it(edited):
    edited.saved("two", 10)
    edited.data["stages"]["one"]["steps"] = 20
    edits = edited.compare("one", "two", "export")
    assert edits.changed == ("stages.one.steps: 10 -> 20",) and edits.finished == () and edits.anew == ("two", "export")


def test_fewer_steps_than_are_done_are_refused(edited):
    edited.data["stages"]["one"]["steps"] = 5
    with pytest.raises(ConfigError, match=r"stages.one.steps: 5 is less than the 10 steps that are done; put back 10"):
        edited.compare()


def test_intervals_may_change_and_leave_a_stage_finished(edited):
    edited.data["stages"]["one"]["loop"] = {"preview_every": 7}
    assert edited.compare("one").finished == ("one",)


def test_exporters_may_change_and_run_again(edited):
    edited.data["stages"]["export"]["exporters"] = {"turntable": {}}
    edits = edited.compare("one", "two", "export")
    assert edits.finished == ("one", "two") and edits.anew == ()


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"geometry": {"type": "voxel-grid", "resolution": 9}}, "geometry.resolution"),
        ({"losses": {"opacity": {"weight": 2.0}}}, "losses.opacity.weight"),
    ],
)
def test_what_does_not_fit_the_checkpoints_is_refused_by_its_key(edited, change, key):
    edited.data["stages"]["one"] |= change
    with pytest.raises(ConfigError, match=rf"stages.one.{key}.*: .* does not fit the checkpoints in .*one.*; put back"):
        edited.compare("one")


def test_a_stage_that_has_not_begun_may_change_freely(edited):
    edited.data["stages"]["two"]["geometry"] = {"type": "voxel-grid", "resolution": 9}
    assert edited.compare("one").finished == ("one",)


def test_seed_and_prompt_are_refused(edited):
    edited.data["seed"] = 5
    with pytest.raises(ConfigError, match=r"seed: 5 does not fit the results of this run; put back 0"):
        edited.compare("one")


def test_a_stage_that_has_begun_stays(edited):
    del edited.data["stages"]["one"]
    with pytest.raises(ConfigError, match="cannot be removed"):
        edited.compare("one")


def test_a_stage_may_come_behind(edited):
    edited.data["stages"]["three"] = copy.deepcopy(STAGE)
    assert edited.compare("one").finished == ("one",)


@pytest.mark.parametrize("key", ["mask", "stages.one.loop.gradient_clip", "stages.one.geometry.shift"])
def test_an_option_that_is_newer_than_the_run_does_not_count_while_it_has_its_default(edited, key):
    *outer, name = key.split(".")
    inner = edited.before
    for step in outer:
        inner = inner[step]
    assert inner.pop(name, "none") != "none"
    assert edited.compare("one") == Edits((), ("one",), ())


def test_an_option_that_is_newer_than_the_run_counts_with_another_value(edited):
    edited.data["mask"] = "mask.png"
    del edited.before["mask"]
    with pytest.raises(ConfigError, match="does not fit the results"):
        edited.compare("one")
