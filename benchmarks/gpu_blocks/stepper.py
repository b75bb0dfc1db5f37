"""Steps one optimise stage of a method as its loop would, without logs, previews and checkpoints."""

from __future__ import annotations

import time
from typing import Any

import torch

from gpu_blocks.measure import WaitingTimings, launches, peak_mib, wait
from gpu_blocks.record import Findings, Setting
from maquette.config.loading import load_method
from maquette.randomness import Moment
from maquette.scene import Scene
from maquette.stages.guidance import build_guidance
from maquette.stages.optimise import build_task
from maquette.training.optimisers import OPTIMISERS, reindex_moments

CAPS_GIB = (24, 16, 12, 8, 6)
SMALL = [
    "geometry={levels: 4, log2_table_size: 10, finest_resolution: 32, width: 16}", "cameras.size=16",
    "renderer={samples: 16, occupancy: {resolution: 16}}",
]  # fmt: skip
"""What makes a stage tiny, under its name."""


class Stepper:
    """A stage, built and ready.

    Args:
        setting: of the check.
        method: its name.
        stage: one that optimises.
        overrides: key=value words.
    """

    def __init__(self, setting: Setting, method: str, stage: str, overrides: list[str]) -> None:
        small = [f"stages.{stage}.{word}" for word in SMALL] if setting.tiny else []
        words = [f"prior.device={setting.device}", f"stages.{stage}.loop.device={setting.device.type}", *small]
        loaded = load_method(method, [*words, *overrides]).method
        self.device, config = setting.device, loaded.stages[stage].config
        torch.manual_seed(0)
        geometry = config.geometry.build()
        renderer = config.renderer.build(bound=geometry.bound)
        material, background = config.material.build(), config.background.build()
        scene = Scene(geometry, material, background, renderer, config.view).to(self.device)
        data = config.data.build() if config.data is not None else None
        if data is not None:
            data.prepare(self.device)
        self.timings = WaitingTimings(self.device)
        guides = build_guidance(config.guidance, loaded, data)
        self.task = build_task(config, scene, guides, data, loaded, self.timings)
        self.groups = self.task.groups()
        self.optimizer = OPTIMISERS[config.loop.optimiser](
            [{"params": group.parameters, "lr": 0.0} for group in self.groups],
            betas=config.loop.betas, eps=config.loop.epsilon, weight_decay=0.0,
        )  # fmt: skip
        self.total, self.done = config.steps, 0

    def step(self) -> float:
        """One step; returns its loss, for which the device is waited for, as the loop does."""
        moment = Moment.at(self.done, self.total, 0)
        for entry, group in zip(self.optimizer.param_groups, self.groups, strict=True):
            entry["lr"] = group.learning_rate.at(moment)
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.task.terms(moment).total()
        loss.backward()
        self.optimizer.step()
        with torch.no_grad():
            for change in self.task.after_step(moment.sub("after")):
                reindex_moments(self.optimizer, change)
        self.done += 1
        return float(loss.detach())

    def steps(self, count: int) -> float:
        """Several; returns the last one's loss."""
        return [self.step() for _ in range(count)][-1]

    def measure(self, findings: Findings, warm: int, timed: int, name: str = "") -> dict[str, Any]:
        """Speed, peak memory, parts of a step, launches, and the memory caps that it fits; noted under a name."""
        self.steps(warm)
        self.timings.device = torch.device("cpu")  # no waiting within the steps that are timed as a whole
        wait(self.device)
        began = time.perf_counter()
        peak = peak_mib(lambda: self.steps(timed), self.device)
        seconds = (time.perf_counter() - began) / timed
        self.timings.device = self.device
        self.timings.wall.clear()
        loss = self.steps(min(timed, 10))
        parts = {part: 1000 * wall / min(timed, 10) for part, wall in self.timings.wall.items()}
        figures = {
            "steps_per_second": round(1 / seconds, 3), "peak_mib": round(peak, 1), "loss": loss,
            "parts_ms": {part: round(value, 3) for part, value in parts.items()},
            "render_share": round(parts.get("render", 0.0) / (1000 * seconds), 4),
            "launches": launches(lambda: self.steps(3), self.device) // 3, "fits_gib": self._caps(),
        }  # fmt: skip
        findings.note(name or "step", figures)
        findings.agree(f"{name} loss is finite".strip(), float(torch.tensor(loss).isfinite()), at_least=1)
        return figures

    def _caps(self) -> dict[str, bool]:
        """Whether a step runs where a process may take so many GiB of the card, the largest first; {} on a CPU."""
        if self.device.type != "cuda":
            return {}
        fits: dict[str, bool] = {}
        memory = torch.cuda.get_device_properties(self.device).total_memory / 2**30
        try:
            for cap in (cap for cap in CAPS_GIB if cap < memory):
                torch.cuda.empty_cache()
                torch.cuda.set_per_process_memory_fraction(cap / memory, self.device)
                try:
                    self.steps(2)
                    fits[str(cap)] = True
                except torch.cuda.OutOfMemoryError:
                    fits |= {str(smaller): False for smaller in CAPS_GIB if smaller <= cap}
                    break
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0, self.device)
        return fits
