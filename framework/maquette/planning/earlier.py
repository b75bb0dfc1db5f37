"""What earlier runs of a method took on this machine, from the manifests in the folder of its runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maquette.config.loading import ResolvedConfig
from maquette.config.parts import plain
from maquette.errors import MaquetteError
from maquette.training.manifest import machine, read_manifest
from maquette.training.run_folder import RunFolder, slug

MOST_RUNS = 20  # the latest ones that are looked at
WITHOUT_COST = ("loop", "view", "start", "steps", "path", "image", "mask", "data", "video", "prompt", "init",
                "heightmap", "labels", "style")  # fmt: skip
"""Keys that differ between runs of equal cost, or whose cost is counted otherwise."""


@dataclass(frozen=True)
class StageCost:
    """What a stage took in an earlier run.

    Args:
        seconds: wall time of the whole stage.
        steps: that it had; 0: it has none.
        run: folder of the run.
        alike: whether it had the same settings, other than steps and what names inputs.
    """

    seconds: float
    steps: int
    run: Path
    alike: bool

    def scaled(self, steps: int) -> float:
        """Seconds of as many steps, in proportion."""
        return self.seconds * steps / self.steps if steps and self.steps else self.seconds


@dataclass(frozen=True)
class EarlierRuns:
    """Costs of a method's stages in earlier runs on this machine.

    Args:
        stages: stage -> its cost in the latest run with the same settings, or else in the latest one.
        peak_memory_mb: largest of the runs that `stages` come from.
        count: finished runs on this machine that were looked at.
    """

    stages: Mapping[str, StageCost]
    peak_memory_mb: float | None
    count: int


def earlier_runs(resolved: ResolvedConfig) -> EarlierRuns:
    """The costs of a method's stages in earlier runs on this machine."""
    method, here = resolved.method, _hardware(machine())
    folder = Path(method.output).expanduser() / slug(method.name)
    manifests = sorted(folder.glob("*/*/manifest.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    costs: dict[str, StageCost] = {}
    count = 0
    for path in manifests[:MOST_RUNS]:
        facts = read_manifest(path)
        if (
            not facts.get("finished_stages")
            or facts.get("sessions", 1) > 1
            or _hardware(facts.get("machine") or {}) != here
        ):
            continue
        count += 1
        for name, cost in _costs(path.parent, facts, resolved).items():
            if name not in costs or (cost.alike and not costs[name].alike):
                costs[name] = cost
    peaks = [read_manifest(cost.run / "manifest.json").get("peak_memory_mb") for cost in costs.values()]
    return EarlierRuns(costs, max((float(peak) for peak in peaks if peak), default=None), count)


def _hardware(facts: Mapping[str, Any]) -> tuple[Any, ...]:
    return facts.get("processor"), facts.get("cores"), facts.get("gpu")


def _costs(folder: Path, facts: Mapping[str, Any], resolved: ResolvedConfig) -> dict[str, StageCost]:
    """Stage -> cost of those that a run finished in one go."""
    try:
        settings = (RunFolder(folder).read_state().get("config") or {}).get("stages") or {}
    except MaquetteError:
        return {}
    costs = {}
    for name, spec in resolved.method.stages.items():
        seconds = ((facts.get("times") or {}).get(f"stage {name}") or {}).get("wall_seconds")
        if seconds is None or name not in facts["finished_stages"] or name not in settings:
            continue
        alike = _essence(settings[name]) == _essence(plain(spec))
        costs[name] = StageCost(float(seconds), steps_of(settings[name]), folder, alike)
    return costs


def steps_of(settings: Mapping[str, Any]) -> int:
    """Steps of a stage's plain settings: of the optimiser, or of the sampler for all candidates; 0: it has none."""
    sampling = settings.get("sampling")
    if isinstance(sampling, Mapping):
        return int(sampling.get("steps", 0)) * int(settings.get("candidates", 1))
    return int(settings.get("steps") or 0)


def _essence(settings: Any) -> Any:
    """Settings without those that name inputs or count steps."""
    if isinstance(settings, Mapping):
        return {name: _essence(item) for name, item in settings.items() if name not in WITHOUT_COST}
    return [_essence(item) for item in settings] if isinstance(settings, (list, tuple)) else settings
