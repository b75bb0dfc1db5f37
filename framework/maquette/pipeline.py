"""Runs a method: creates or reopens its run folder and runs its stages in order."""

from __future__ import annotations

import logging
import shlex
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from maquette import registry
from maquette.config.loading import ResolvedConfig
from maquette.config.origins import leaves
from maquette.config.parts import PartSpec, instances_within
from maquette.errors import ConfigError, RunError
from maquette.files import display_path, sole_writer
from maquette.kernels.devices import choose_device, limit_threads
from maquette.plugins.needs import missing_here
from maquette.randomness import seed_global_generators
from maquette.report import write_report
from maquette.stages.base import Stage, StageContext
from maquette.stages.edits import compare_configs
from maquette.training.fingerprint import fingerprint
from maquette.training.manifest import (
    larger_peaks,
    machine,
    peak_gpu_memory_mb,
    peak_memory_mb,
    read_manifest,
    revision,
    versions,
    write_manifest,
)
from maquette.training.memory import keep_freed_memory
from maquette.training.metrics_log import trim_metrics
from maquette.training.observer import Observer
from maquette.training.run_folder import RunFolder
from maquette.training.signals import Interrupted, Stopped, interruptible
from maquette.training.timings import Timings
from maquette.training.trackers import check_tracker, open_tracker

_log = logging.getLogger(__name__)

CHANGED = "changed_by_hand"  # key of the manifest: weights that an observer replaced, so that nobody repeats the run


def run_method(resolved: ResolvedConfig, resume: Path | None = None, observer: Observer | None = None) -> Path:
    """Run all stages of a method; when resuming, the unfinished ones. A finished run is left as it is.


    Args:
        resolved: the configuration; when resuming, that of the run folder.
        resume: the run folder to resume; None: a new one.
        observer: looks at the stages between their steps; None: nobody does.

    Returns:
        The run folder.

    Raises:
        MaquetteError: a stage failed; the results so far are kept.
        Interrupted: by a signal, outside the steps of a stage; it says what is saved and how to go on.
        Stopped: by a signal, after a step of a stage and its checkpoint.
    """
    keep_freed_memory()
    limit_threads()
    check_devices(resolved)
    check_needs(resolved)
    method = resolved.method
    stages: dict[str, Stage] = {name: spec.build() for name, spec in method.stages.items()}
    check_tracker(method.logger)
    if resume:
        run = RunFolder.open(resume)
    else:
        for name, stage in stages.items():
            stage.check_inputs(name)
        run = RunFolder.create(method.output, method.name, _subject(resolved), resolved.to_yaml())
        _copy_local_files(resolved, run)
    _log.info("run folder: %s", display_path(run.path))
    with sole_writer(run.path, "run"), interruptible():
        try:
            _run_stages(resolved, stages, run, resume is not None, observer)
        except OSError as problem:
            raise RunError(f"{_describe(problem)}; {saved_so_far(run, 'remove the cause, then go on')}") from problem
        except Stopped:
            _log.info("stopped; %s", saved_so_far(run))
            raise
        except Interrupted as problem:
            problem.args = (f"interrupted; {saved_so_far(run)}",)
            raise
    return run.path


def _copy_local_files(resolved: ResolvedConfig, run: RunFolder) -> None:
    """Copy the local files into the run folder, so that the run can go on after they have changed."""
    names: set[str] = set()
    for file in resolved.local_files:
        name = file.path.name.lstrip("_") or "part.py"  # a folder's files that begin with "_" are no parts
        while name in names:
            name = f"other_{name}"
        names.add(name)
        run.parts.mkdir(exist_ok=True)
        (run.parts / name).write_bytes(file.content)


def _run_stages(
    resolved: ResolvedConfig, stages: Mapping[str, Stage], run: RunFolder, resumed: bool, observer: Observer | None
) -> None:
    """Run the unfinished stages, and write manifest and report."""
    method = resolved.method
    state = _resumed_state(resolved, run) if resumed else {"finished": []}
    if resumed and is_finished(run, resolved, state["finished"]):
        return
    run.write_state({**state, "config": resolved.plain})
    before = read_manifest(run.manifest) if resumed else {}
    names = {digest: path for path, digest in before.get("parts", {}).items()}  # a copy goes by the name of its file
    facts = {
        "method": method.name, "prompt": method.prompt, "image": method.image, "data": method.data,
        "video": method.video, "seed": method.seed, "groups": resolved.groups, "command": shlex.join(sys.argv),
        "versions": versions(),
        "parts": {names.get(file.sha256, str(file.path)): file.sha256 for file in resolved.local_files},
        "revision": revision(), "fingerprint": fingerprint(resolved).record(), "machine": machine(),
    }  # fmt: skip
    facts["sessions"] = int(before.get("sessions", 0)) + 1  # times are sums over those that ended with a message
    timings = Timings(before.get("times"))
    write_manifest(run.manifest, claim=not resumed, **facts, started=time.strftime("%Y-%m-%dT%H:%M:%S%z"))
    tracker = open_tracker(method.logger, run, resolved.plain, facts)
    context = StageContext("", method, run, resumed, timings=timings, tracker=tracker, observer=observer)
    started, changed_before = time.perf_counter(), before.get(CHANGED, [])
    ended_before = {name: facts for name, facts in before.get("ended_early", {}).items() if name in state["finished"]}

    def wall_seconds() -> float:
        return round(before.get("wall_seconds", 0.0) + time.perf_counter() - started, 3)

    def ending() -> dict[str, Any]:
        return {
            "finished_stages": state["finished"], "ended_early": {**ended_before, **context.ended_early},
            "times": timings.to_dict(), "wall_seconds": wall_seconds(),
            "peak_memory_mb": max(peak_memory_mb(), before.get("peak_memory_mb", 0.0)),
            "peak_gpu_memory_mb": larger_peaks(peak_gpu_memory_mb(), before.get("peak_gpu_memory_mb", {})),
            **({CHANGED: changed} if (changed := [*changed_before, *(observer.record() if observer else [])]) else {}),
        }  # fmt: skip

    try:
        for name, stage in stages.items():
            context.name = name
            if name in state["finished"]:
                stage.restore(context)
                continue
            seed_global_generators(method.seed, name)
            with timings.measure(f"stage {name}"):
                stage.run(context)
            state["finished"].append(name)
            run.write_state({**state, "config": resolved.plain})
        write_manifest(run.manifest, **ending())  # which the report reads
        with timings.measure("report"):
            write_report(run.path)
    except BaseException:
        with suppress(OSError):  # the first problem is told, not this one
            write_manifest(run.manifest, **ending())
        tracker.close(ending(), run.export, finished=False)
        raise
    write_manifest(run.manifest, **ending())
    tracker.close(ending(), run.export, finished=True)


def _resumed_state(resolved: ResolvedConfig, run: RunFolder) -> dict[str, Any]:
    """The state of a run that is resumed, after its configuration was compared with the one that it ran with."""
    run.sweep()
    state, names = run.read_state(), list(resolved.method.stages)
    if "config" in state:
        edits = compare_configs(resolved.method, state["config"], resolved.plain, run, state["finished"])
        for change in edits.changed:
            _log.info("changed since the run began: %s", change)
        for name in edits.anew:
            _log.info("stage %s begins anew, since one before it goes on", name)
            shutil.rmtree(run.checkpoints / name, ignore_errors=True)
        state = {"finished": list(edits.finished)}
    done = dict.fromkeys(state["finished"], sys.maxsize)  # whose checkpoints may be gone
    trim_metrics(run.metrics, {name: run.checkpointed_steps(name) for name in names} | done)
    if set(names) <= set(state["finished"]):
        _log.info("all stages of this run are finished")
    return state


def is_finished(run: RunFolder, resolved: ResolvedConfig, finished: Sequence[str]) -> bool:
    """Whether nothing is left to do: the stages are finished as configured, and manifest and report are there."""
    same = run.read_state().get("config") == resolved.plain
    complete = set(resolved.method.stages) <= set(finished)
    return same and complete and bool(read_manifest(run.manifest)) and run.report.is_file()


def saved_so_far(run: RunFolder, remedy: str = "go on") -> str:
    """What a stopped run has saved, and the command that goes on with it."""
    stages = {folder.name: run.store(folder.name).all() for folder in sorted(run.checkpoints.glob("*"))}
    saved = ", ".join(f"{name} up to step {store[-1].step}" for name, store in stages.items() if store)
    command = shlex.join(["maquette", "resume", display_path(run.path)])
    return f"saved: {saved or 'nothing yet'}; {remedy} with: {command}"


def _describe(problem: OSError) -> str:
    reason = problem.strerror or str(problem) or type(problem).__name__
    return f"{reason}: {problem.filename}" if problem.filename else reason


def check_devices(resolved: ResolvedConfig) -> None:
    """Check that this machine has all devices that the configuration names.

    Raises:
        ConfigError: a device is missing; names its key, file and line.
    """
    values = leaves(resolved.plain).items()
    devices = [(key, value) for key, value in values if key.endswith(".device") and isinstance(value, str)]
    for key, name in sorted(devices, key=lambda item: item[0] not in resolved.origins):  # keys from files come first
        try:
            choose_device(name)
        except ConfigError as problem:
            origin = resolved.origin(key)
            raise ConfigError(
                problem.message, key=key, file=origin.file or origin.text, line=origin.line, hint=problem.hint
            ) from None


def check_needs(resolved: ResolvedConfig) -> None:
    """Check that this machine has what the manifests of plugins say that the configured parts need.

    Raises:
        ConfigError: something is missing; names part, key, file and line.
    """
    for key, spec in instances_within(resolved.method, PartSpec):
        declared = registry.declaration(spec.kind, spec.name)
        if declared is None or not (missing := missing_here(declared.needs)):
            continue
        place = f"{key.lstrip('.')}.type"
        origin = resolved.origin(place)
        raise ConfigError(
            f"{declared.title} needs {missing}", key=place, file=origin.file or origin.text, line=origin.line,
            hint=f"take another {spec.kind}, or run it where there is",
        )  # fmt: skip


def _subject(resolved: ResolvedConfig) -> str:
    method = resolved.method
    path = method.image or method.video or method.data or method.dataset
    return method.prompt or (Path(path).stem if path else "") or f"seed {method.seed}"
