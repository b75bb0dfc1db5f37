"""Runs a method: makes or reopens its run folder and takes its stages in order."""

from __future__ import annotations

import logging
import shlex
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from maquette.config.loading import ResolvedConfig
from maquette.errors import ConfigError
from maquette.files import write_atomically
from maquette.kernels.devices import choose_device
from maquette.report import write_report
from maquette.stages.base import Stage, StageContext
from maquette.training.manifest import machine, peak_gpu_memory_mb, peak_memory_mb, revision, versions, write_manifest
from maquette.training.memory import keep_freed_memory
from maquette.training.run_folder import RunFolder
from maquette.training.timings import Timings

_log = logging.getLogger(__name__)


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
    refuse_absent_devices(resolved)
    method = resolved.method
    stages: dict[str, Stage] = {name: spec.build() for name, spec in method.stages.items()}
    run = RunFolder.open(resume) if resume else RunFolder.create(method.output, method.name, _subject(resolved))
    if resume is None:
        write_atomically(run.config, resolved.to_yaml())
    _log.info("run folder: %s", run.path)
    timings, state = Timings(), run.read_state()
    write_manifest(
        run.manifest, method=method.name, prompt=method.prompt, image=method.image, data=method.data, seed=method.seed,
        groups=resolved.groups, command=shlex.join(sys.argv), versions=versions(), revision=revision(),
        machine=machine(), started=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    )  # fmt: skip
    context = StageContext("", method, run, resume is not None, timings=timings)
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
            peak_gpu_memory_mb=peak_gpu_memory_mb(), wall_seconds=round(time.perf_counter() - started, 3),
        )  # fmt: skip
    with timings.measure("report"):
        write_report(run.path)
    return run.path


def refuse_absent_devices(resolved: ResolvedConfig) -> None:
    """Stop where a part is to compute on a device that this machine has not, before anything is made or loaded.

    Raises:
        ConfigError: naming the key where the device was written.
    """
    leaves = _leaves(resolved.plain)
    devices = [(key, value) for key, value in leaves if key.endswith(".device") and isinstance(value, str)]
    for key, name in sorted(devices, key=lambda item: item[0] not in resolved.origins):  # what was written comes first
        try:
            choose_device(name)
        except ConfigError as problem:
            origin = resolved.origin(key)
            raise ConfigError(
                problem.message, key=key, file=origin.file or origin.text, line=origin.line, hint=problem.hint
            ) from None


def _leaves(plain: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted key and value of everything that is no mapping."""
    if not isinstance(plain, Mapping):
        yield key, plain
        return
    for name, value in plain.items():
        yield from _leaves(value, f"{key}.{name}".lstrip("."))


def _subject(resolved: ResolvedConfig) -> str:
    method = resolved.method
    given = method.image or method.data
    return method.prompt or (Path(given).stem if given else "") or f"seed {method.seed}"
