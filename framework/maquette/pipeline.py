"""Runs a method: makes or reopens its run folder and takes its stages in order."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path

from maquette.config.loading import ResolvedConfig, load_method
from maquette.errors import RunError
from maquette.files import write_atomically
from maquette.report import write_report
from maquette.scene import Scene
from maquette.stages.base import Stage, StageContext
from maquette.training.manifest import machine, peak_memory_mb, revision, versions, write_manifest
from maquette.training.memory import keep_freed_memory
from maquette.training.run_folder import RunFolder
from maquette.training.timings import Timings


def run_method(resolved: ResolvedConfig, resume: Path | None = None) -> Path:
    """Run all stages of a method, or those that a resumed run has left.

    Args:
        resolved: the configuration; on resume, the one stored in the run folder.
        resume: a run folder to go on with; None starts a new one.

    Returns:
        The run folder.

    Raises:
        MaquetteError: with one line for the user; what was done so far is kept.
    """
    keep_freed_memory()
    method = resolved.method
    stages: dict[str, Stage] = {name: spec.build() for name, spec in method.stages.items()}
    run = RunFolder.open(resume) if resume else RunFolder.create(method.output, method.name, _subject(resolved))
    if resume is None:
        write_atomically(run.config, resolved.to_yaml())
    print(f"run folder: {run.path}")
    timings, state = Timings(), run.read_state()
    write_manifest(
        run.manifest, method=method.name, prompt=method.prompt, image=method.image, data=method.data, seed=method.seed,
        groups=resolved.groups, command=shlex.join(sys.argv), versions=versions(), revision=revision(),
        machine=machine(), started=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    )  # fmt: skip
    context = StageContext("", method, run, resume is not None, timings=timings, open_scene=finished_scene)
    started = time.perf_counter()
    try:
        for name, stage in stages.items():
            context.name = name
            if name in state["finished"]:
                stage.restore(context)
                continue
            with timings.measure(f"stage {name}"):
                stage.run(context)
            state["finished"].append(name)
            run.write_state(state)
    finally:
        write_manifest(
            run.manifest, finished_stages=state["finished"], times=timings.plain(), peak_memory_mb=peak_memory_mb(),
            wall_seconds=round(time.perf_counter() - started, 3),
        )  # fmt: skip
    with timings.measure("report"):
        write_report(run.path)
    return run.path


def finished_scene(run: RunFolder) -> Scene:
    """The scene that a run made, from its last checkpoints.

    Raises:
        RunError: none of its finished stages made one.
    """
    method = load_method(str(run.config)).method
    context = StageContext("", method, run, resume=True)
    for name in run.read_state()["finished"]:
        context.name = name
        method.stages[name].build().restore(context)
    if "scene" not in context.artifacts:
        raise RunError(f"no finished stage of {run.path} made a scene")
    return context.artifacts["scene"]


def _subject(resolved: ResolvedConfig) -> str:
    method = resolved.method
    given = method.image or method.data
    return method.prompt or (Path(given).stem if given else "") or f"seed {method.seed}"
