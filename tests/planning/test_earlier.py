"""What earlier runs took: only finished stages on this machine count, and what differs is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from maquette.config import load_method
from maquette.planning.earlier import earlier_runs, steps_of
from maquette.planning.plan import plan_method
from maquette.training.manifest import machine

WORDS = ["prompt=a mug", "prior=nano"]


def record(folder: Path, name: str, seconds: float, *words: str, hardware: dict | None = None) -> Path:
    """A folder like that of a finished run."""
    resolved = load_method("dreamfusion", [*WORDS, f"output={folder}", *words])
    run = folder / "dreamfusion" / "a-mug" / name
    run.mkdir(parents=True)
    (run / "state.json").write_text(json.dumps({"finished": ["nerf", "export"], "config": resolved.plain}))
    facts = {
        "machine": hardware or machine(), "finished_stages": ["nerf", "export"], "peak_memory_mb": 500.0,
        "times": {"stage nerf": {"wall_seconds": seconds}, "stage export": {"wall_seconds": 5.0}},
    }  # fmt: skip
    (run / "manifest.json").write_text(json.dumps(facts))
    return run


@pytest.fixture
def resolved(tmp_path):
    return load_method("dreamfusion", [*WORDS, f"output={tmp_path}"])


def test_a_time_is_that_of_the_earlier_run_in_proportion_to_the_steps(resolved, tmp_path):
    run = record(tmp_path, "1", 60.0, "stages.nerf.steps=300", "seed=3")
    plan = plan_method(resolved)
    assert plan.stages[0].seconds == pytest.approx(180.0) and plan.stages[0].basis == f"{run}, 300 steps there"
    assert plan.seconds == pytest.approx(185.0) and plan.peak_memory_mb == 500.0


def test_a_run_with_the_same_settings_goes_before_a_later_one_with_others(resolved, tmp_path):
    record(tmp_path, "1", 60.0)
    record(tmp_path, "2", 90.0, "stages.nerf.cameras.size=32")
    assert earlier_runs(resolved).stages["nerf"].seconds == 60.0


def test_other_settings_are_said(resolved, tmp_path):
    record(tmp_path, "1", 60.0, "stages.nerf.cameras.size=32")
    assert plan_method(resolved).stages[0].basis.endswith("with other settings")


def test_runs_of_another_machine_do_not_count(resolved, tmp_path):
    record(tmp_path, "1", 60.0, hardware={"processor": "another", "cores": 64})
    assert earlier_runs(resolved).count == 0 and plan_method(resolved).seconds is None


def test_steps_of_a_sampler_are_counted_for_all_candidates():
    assert steps_of({"sampling": {"steps": 15}, "candidates": 3}) == 45 and steps_of({"exporters": {}}) == 0
