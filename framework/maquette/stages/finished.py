"""Reading the folder of a run: the scene that it made, and an account of how far it came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maquette.config.loading import ResolvedConfig, load_method
from maquette.config.parts import unread_parts
from maquette.config.paths import owner
from maquette.errors import ConfigError, MaquetteError, RunError
from maquette.files import display_path
from maquette.loaded import Loaded
from maquette.plugins.local import LocalParts
from maquette.scene import Scene
from maquette.stages.base import StageContext
from maquette.stages.edits import compare_configs
from maquette.training.manifest import read_manifest
from maquette.training.run_folder import RunFolder


def load_run(run: RunFolder, parts: Sequence[Path] = (), to_resume: bool = False) -> ResolvedConfig:
    """The configuration of a run, with its local parts imported if the run is one's own or they are given.

    Args:
        run: the run.
        parts: local files to take in place of those that the run names.
        to_resume: all parts are needed.

    Raises:
        ConfigError: its configuration is broken, a local file has changed since the run began, or a part is needed and
            is not imported, since the run is another's. Otherwise such a part is refused when it is built.
    """
    manifest = read_manifest(run.manifest)
    recorded, own = manifest.get("parts"), manifest.get("owner") == owner()
    local = LocalParts(own or bool(parts), parts, recorded if isinstance(recorded, dict) else None)
    resolved = load_method(str(run.config), local=local)
    if to_resume and not local.imported and resolved.local_files:
        raise ConfigError(
            "this run of another host or user has parts in local files, which are not imported unasked", key="plugins",
            file=display_path(run.config), hint=f"read them, and give them: --parts {display_path(run.parts)}",
        )  # fmt: skip
    return resolved


def finished_scene(run: RunFolder) -> Scene:
    """Load the scene of a run from its last checkpoints.

    Raises:
        RunError: no finished stage made a scene.
    """
    method = load_run(run).method
    context = StageContext("", method, run, resume=True)
    for name in run.read_state()["finished"]:
        context.name = name
        method.stages[name].build().restore(context)
    if context.artifacts.scene is None:
        raise RunError(f"no finished stage of {run.path} made a scene")
    return context.artifacts.scene


@dataclass(frozen=True)
class SavedScene:
    """The newest scene that a run has saved.

    Args:
        scene: the scene.
        stage: the stage that made it.
        step: the step of the checkpoint that it is from; 0: the stage takes no steps.
        finished: whether that stage is finished.
    """

    scene: Scene
    stage: str
    step: int
    finished: bool


def newest_scene(run: RunFolder, parts: Sequence[Path] = ()) -> SavedScene:
    """Load the newest scene that a finished or stopped run has saved.

    Args:
        run: the run.
        parts: local files to take in place of those that the run names.

    Raises:
        RunError: it has saved none.
    """
    method, finished = load_run(run, parts).method, run.read_state()["finished"]
    context, saved = StageContext("", method, run, resume=True), None
    for name, spec in method.stages.items():
        context.name, before, stage = name, context.artifacts.scene, spec.build()
        if name in finished:
            stage.restore(context)
            step = run.checkpointed_steps(name)
        elif not (step := stage.restore_stopped(context)):
            break
        if context.artifacts.scene is not None and context.artifacts.scene is not before:
            saved = SavedScene(context.artifacts.scene, name, step, name in finished)
    if saved is None:
        path = display_path(run.path)
        raise RunError(f"no stage of {path} has saved a scene yet; go on with: maquette resume {path}")
    return saved


def inspect_run(path: Path) -> Loaded[RunFolder]:
    """An account of a run folder, without loading a scene.

    Its facts are `method`, `prompt`, `stages` (a list of `name`, `type`, `finished`, and, of those with steps, `steps`
    and `saved_step`), `last_step` (of the stage that would go on, or null), `views` (sampled pictures and their sheets,
    relative to the folder), `files` (exported, likewise), `resumable`, and `reason` (why not, or what resuming
    would do).

    Raises:
        ConfigError: the folder is no run, or its config.yaml is broken.
    """
    run = RunFolder.read(path)
    resolved = load_method(str(run.config))
    warnings = unread_parts(resolved.method)
    try:
        state, reason = run.read_state(), ""
        compare_configs(resolved.method, state.get("config", resolved.plain), resolved.plain, run, state["finished"])
        stages = _stages(resolved, run, state["finished"])
    except MaquetteError as problem:
        state, reason, stages = {"finished": []}, str(problem), []
    unfinished = [stage for stage in stages if not stage["finished"]]
    manifest = read_manifest(run.manifest)
    if not manifest:
        warnings.append("manifest.json is missing or broken; resuming writes it anew")
    resumed = f"goes on with stage {unfinished[0]['name']}" if unfinished else "all stages are finished"
    facts = {
        "method": resolved.method.name,
        "prompt": resolved.method.prompt,
        "stages": stages,
        "last_step": unfinished[0].get("saved_step") if unfinished else None,
        "views": [str(file.relative_to(run.path)) for file in sorted(run.views.rglob("*.png"))],
        "files": [str(file.relative_to(run.path)) for file in sorted(run.export.rglob("*")) if file.is_file()],
        "resumable": not reason,
        "reason": reason or resumed,
    }
    return Loaded(run, "run", "maquette", ("config.yaml", "state.json"), (), tuple(warnings), facts)


def _stages(resolved: ResolvedConfig, run: RunFolder, finished: list[str]) -> list[dict[str, Any]]:
    rows = []
    for name, spec in resolved.method.stages.items():
        row: dict[str, Any] = {"name": name, "type": spec.name, "finished": name in finished}
        if hasattr(spec.config, "steps"):
            row |= {"steps": spec.config.steps, "saved_step": run.checkpointed_steps(name)}
        rows.append(row)
    return rows
