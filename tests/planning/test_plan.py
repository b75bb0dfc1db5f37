"""The plan of a run: parameters without weights, times without invention."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from maquette.config import load_method
from maquette.planning.plan import plan_method


@pytest.fixture
def planned(tiny_run):
    return load_method("dreamfusion", ["prompt=a mug", *tiny_run])


def test_trained_parameters_are_those_of_the_built_parts(planned):
    (nerf, _) = plan_method(planned).stages
    config = planned.method.stages["nerf"].config
    for key, count in nerf.trained.items():
        built = getattr(config, key).build()
        assert count == sum(parameter.numel() for parameter in built.parameters() if parameter.requires_grad)
    assert nerf.trained["geometry"] > 0 and nerf.parts["renderer"] == "renderer/volume"


def test_a_plan_holds_no_tensor_of_the_scene(planned, monkeypatch):
    devices = []
    original = torch.nn.Module.register_parameter

    def noting(module, name, parameter):
        devices.append(parameter.device.type if parameter is not None else "none")
        return original(module, name, parameter)

    monkeypatch.setattr(torch.nn.Module, "register_parameter", noting)
    plan_method(planned)
    assert "meta" in devices and "cpu" not in devices


def test_a_geometry_whose_shape_depends_on_values_is_built_on_the_cpu():
    resolved = load_method("fantasia3d", ["prompt=a mug"])
    stage = plan_method(resolved).stages[0]
    assert stage.parts["geometry"] == "geometry/dmtet" and stage.trained["geometry"] > 0


def test_without_an_earlier_run_the_time_is_unknown(planned):
    plan = plan_method(planned)
    assert plan.seconds is None and plan.peak_memory_mb is None and plan.earlier == 0
    assert all(stage.seconds is None and stage.basis == "" for stage in plan.stages)


def test_memory_is_at_least_that_of_parameters_gradients_and_moments(planned):
    plan = plan_method(planned)
    trained = sum(plan.stages[0].trained.values())
    assert plan.least_memory_mb == pytest.approx((16 * trained + 4 * plan.weights[0].parameters) / 1e6, abs=0.1)


def test_a_plan_is_json(planned):
    assert json.loads(json.dumps(plan_method(planned).to_plain(), default=str))["method"] == "dreamfusion"


def test_a_recipe_counts_its_learner():
    stage = plan_method(load_method("nano-text", [], "training")).stages[0]
    assert stage.trained["learner"] > 5_000_000 and Path(stage.parts["learner"]).name == "text-to-image"
