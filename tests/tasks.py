"""The task of a stage, built from the stage's settings as a run would build it."""

from __future__ import annotations

from typing import Any

import torch

from maquette.config.parts import check
from maquette.config.schema import MethodConfig
from maquette.priors.base import Prior
from maquette.scene import Scene
from maquette.stages.guidance import BuiltGuidance
from maquette.stages.optimisation import Optimisation
from maquette.stages.optimise import Optimise, build_task


def nowhere(key: str) -> None:
    """Settings of tests were not written in a file."""


def prepared(stage: dict[str, Any], prior: Prior | None = None, renderer: type | None = None) -> Optimisation:
    """The task of ten steps of a stage.

    Args:
        stage: settings of an optimise stage.
        prior: of all of its guidance.
        renderer: class to draw with instead of the configured one, whose config it takes.
    """
    config = check(Optimise.Config, {**stage, "steps": 10}, "stage", nowhere)
    data = config.data.build() if config.data else None
    if data:
        data.prepare(torch.device("cpu"))
    torch.manual_seed(0)
    geometry = config.geometry.build()
    drawing = (renderer or config.renderer.cls)(config.renderer.config, geometry.bound)
    scene = Scene(geometry, config.material.build(), config.background.build(), drawing, config.view)
    method = MethodConfig(stages={"x": None}, prompt="a red mug")
    guidance = (
        {name: BuiltGuidance(spec, prior, method, data) for name, spec in config.guidance.items()} if prior else {}
    )
    return build_task(config, scene, guidance, data, method)
