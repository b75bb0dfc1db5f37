"""The plan of a run: stages, parts, parameters, weights, memory and time. It loads and downloads no weights.

What is trained is built on the device "meta", which has shapes and no memory; a part whose shape depends on values is
built on the CPU. Times are those of earlier runs on this machine, or else unknown.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from maquette import registry
from maquette.config.loading import ResolvedConfig
from maquette.config.parts import PartSpec, instances_within, plain
from maquette.planning.earlier import EarlierRuns, earlier_runs, steps_of
from maquette.planning.weights import WeightsUse, weights_of
from maquette.plugins.needs import missing_here, needs_words

TRAINED = ("geometry", "material", "background")
TRAINING_BYTES = 16  # of a trained number: itself, its gradient, and Adam's two averages, in float32
FROZEN_BYTES = 4  # of a number of a prior on a CPU


@dataclass(frozen=True)
class StagePlan:
    """The plan of one stage.

    Args:
        name, type: of the stage.
        steps: of the optimiser or of the sampler; 0: it has none.
        parts: dotted key -> kind and name of its parts, such as "renderer/volume".
        trained: part -> parameters that the stage trains; None: unknown before its weights or data are loaded.
        seconds: expected wall time; None: unknown.
        basis: where the time is from; "" where it is unknown.
    """

    name: str
    type: str
    steps: int
    parts: Mapping[str, str]
    trained: Mapping[str, int | None]
    seconds: float | None
    basis: str


@dataclass(frozen=True)
class Plan:
    """The plan of a run.

    Args:
        method: name of the method.
        stages: in order.
        weights: pretrained weights that the method names.
        least_memory_mb: of all parameters, gradients and optimiser states at once, without activations.
        peak_memory_mb: of the earlier runs that the times are from; None: there are none.
        earlier: number of earlier runs on this machine.
        needs: part -> what it needs of a machine, of the parts of plugins that say so.
        missing: part -> what of that is not here.
    """

    method: str
    stages: tuple[StagePlan, ...]
    weights: tuple[WeightsUse, ...]
    least_memory_mb: float
    peak_memory_mb: float | None
    earlier: int
    needs: Mapping[str, str]
    missing: Mapping[str, str]

    @property
    def seconds(self) -> float | None:
        """Expected wall time of all stages; None: that of one is unknown."""
        times = [stage.seconds for stage in self.stages]
        return None if any(seconds is None for seconds in times) else sum(filter(None, times))

    def to_plain(self) -> dict[str, Any]:
        """The plan as JSON data."""
        return {**dataclasses.asdict(self), "seconds": self.seconds}


def plan_method(resolved: ResolvedConfig) -> Plan:
    """The plan of a method as it is configured."""
    method, earlier = resolved.method, earlier_runs(resolved)
    stages = tuple(_stage(name, spec, earlier) for name, spec in method.stages.items())
    weights = tuple(weights_of(method))
    trained = max((sum(filter(None, stage.trained.values())) for stage in stages), default=0)
    frozen = sum(use.parameters or 0 for use in weights if use.key.endswith("prior.path") or use.key == "prior.path")
    least = (trained * TRAINING_BYTES + frozen * FROZEN_BYTES) / 1e6
    declared = [registry.declaration(part.kind, part.name) for _, part in instances_within(method, PartSpec)]
    needs = {f"{one.kind}/{one.name}": one.needs for one in declared if one is not None and needs_words(one.needs)}
    missing = {part: words for part, of_part in needs.items() if (words := missing_here(of_part))}
    return Plan(
        method.name, stages, weights, round(least, 1), earlier.peak_memory_mb, earlier.count,
        {part: needs_words(of_part) for part, of_part in needs.items()}, missing,
    )  # fmt: skip


def _stage(name: str, spec: PartSpec, earlier: EarlierRuns) -> StagePlan:
    settings = plain(spec)
    steps, cost = steps_of(settings), earlier.stages.get(name)
    parts = {
        key.removeprefix("."): f"{part.kind}/{part.name}"
        for key, part in instances_within(spec.config, PartSpec)
        if part.kind != "schedule"
    }
    seconds, basis = None, ""
    if cost is not None:
        seconds = round(cost.scaled(steps), 1)
        scaled = f", {cost.steps} steps there" if cost.steps != steps else ""
        basis = f"{cost.run}{scaled}{'' if cost.alike else ', with other settings'}"
    return StagePlan(name, spec.name, steps, parts, _trained(spec), seconds, basis)


def _trained(spec: PartSpec) -> dict[str, int | None]:
    """Part -> parameters that a stage trains."""
    config = spec.config
    if not steps_of(plain(spec)) or spec.name == "sample":
        return {}
    if hasattr(config, "learner"):  # one that begins with weights would load them
        return {"learner": None if weights_of(config.learner) else _count(lambda: _learner(config))}
    parts = {key: getattr(config, key, None) for key in TRAINED}
    return {key: _count(part.build) for key, part in parts.items() if isinstance(part, PartSpec)}


def _learner(config: Any) -> nn.Module:
    learner = config.learner.build()
    learner.build(config.dataset.build())
    return learner


def _count(build: Callable[[], Any]) -> int | None:
    """Trainable parameters of what `build` makes: on the device "meta", or else on the CPU; None: it needs data."""
    for device in ("meta", "cpu"):
        try:
            with torch.device(device):
                module = build()
        except (NotImplementedError, RuntimeError, AttributeError, ValueError, TypeError):  # no values, or no data yet
            continue
        trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
        return sum(parameter.numel() for parameter in trained)
    return None
