"""Runs a method: creates or reopens its run folder and runs its stages in order."""

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
from maquette.files import display_path, write_atomically
from maquette.kernels.devices import choose_device
from maquette.report import write_report
from maquette.stages.base import Stage, StageContext
from maquette.training.manifest import machine, peak_gpu_memory_mb, peak_memory_mb, revision, versions, write_manifest
from maquette.training.memory import keep_freed_memory
from maquette.training.run_folder import RunFolder
from maquette.training.timings import Timings

_log = logging.getLogger(__name__)


def run_method(resolved: ResolvedConfig, resume: Path | None = None) -> Path:
    """Run all stages of a method; when resuming, the unfinished ones.

    Args:
        resolved: the configuration; when resuming, that of the run folder.
        resume: the run folder to resume; None: a new one.

    Returns:
        The run folder.

    Raises:
        MaquetteError: a stage failed; the results so far are kept.
    """
    keep_freed_memory()
    check_devices(resolved)
    method = resolved.method
    stages: dict[str, Stage] = {name: spec.build() for name, spec in method.stages.items()}
    run = RunFolder.open(resume) if resume else RunFolder.create(method.output, method.name, _subject(resolved))
    if resume is None:
        write_atomically(run.config, resolved.to_yaml())
    _log.info("run folder: %s", display_path(run.path))
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
            run.manifest, finished_stages=state["finished"], times=timings.to_dict(), peak_memory_mb=peak_memory_mb(),
            peak_gpu_memory_mb=peak_gpu_memory_mb(), wall_seconds=round(time.perf_counter() - started, 3),
        )  # fmt: skip
    with timings.measure("report"):
        write_report(run.path)
    return run.path


def check_devices(resolved: ResolvedConfig) -> None:
    """Check that this machine has all devices that the configuration names.

    Raises:
        ConfigError: a device is missing; names its key, file and line.
    """
    leaves = _leaves(resolved.plain)
    devices = [(key, value) for key, value in leaves if key.endswith(".device") and isinstance(value, str)]
    for key, name in sorted(devices, key=lambda item: item[0] not in resolved.origins):  # keys from files come first
        try:
            choose_device(name)
        except ConfigError as problem:
            origin = resolved.origin(key)
            raise ConfigError(
                problem.message, key=key, file=origin.file or origin.text, line=origin.line, hint=problem.hint
            ) from None


def _leaves(config: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and values of the leaves of nested mappings."""
    if not isinstance(config, Mapping):
        yield key, config
        return
    for name, value in config.items():
        yield from _leaves(value, f"{key}.{name}".lstrip("."))


def _subject(resolved: ResolvedConfig) -> str:
    method = resolved.method
    path = method.image or method.data
    return method.prompt or (Path(path).stem if path else "") or f"seed {method.seed}"
