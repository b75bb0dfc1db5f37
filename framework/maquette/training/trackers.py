"""Trackers: Weights & Biases, TensorBoard or CSV, one for a whole run, beside `metrics.jsonl`."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from maquette.config.schema import LoggerConfig
from maquette.errors import ConfigError, MissingDependency
from maquette.training.run_folder import RunFolder

_log = logging.getLogger(__name__)

PACKAGES = {"wandb": ("wandb",), "tensorboard": ("tensorboard", "tensorboardX"), "csv": ()}
"""Type of a logger -> packages of which one must be installed."""


class Tracker:
    """Receives the metrics of all stages of a run, on one axis of steps. This one drops them."""

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Log the values of one step."""

    def picture(self, name: str, path: Path, step: int) -> None:
        """Log the image at `path`."""

    def close(self, summary: Mapping[str, Any], exports: Path, finished: bool) -> None:
        """Log times, memory and the folder of exported files at the end of the process, and close."""


def check_tracker(config: LoggerConfig) -> None:
    """Check that the logger's package and login are there, before anything heavy begins.

    Raises:
        MissingDependency: a package is missing.
        ConfigError: W&B is to be reached, but nobody is logged in.
    """
    if config.type == "none" or config.mode == "disabled":
        return
    packages = PACKAGES[config.type]
    if packages and not any(find_spec(name) for name in packages):
        raise MissingDependency(f"logger.type={config.type} needs {packages[0]}: pip install 'maquette[{packages[0]}]'")
    if config.type == "wandb" and config.mode == "online" and not _has_wandb_login():
        raise ConfigError(
            "nobody is logged in to W&B here", key="logger.mode",
            hint="run `wandb login`, set WANDB_API_KEY, or log without a network: logger.mode=offline",
        )  # fmt: skip


def open_tracker(config: LoggerConfig, run: RunFolder, method: Mapping[str, Any], facts: Mapping[str, Any]) -> Tracker:
    """The tracker of a run; a resumed run continues its own.

    Args:
        config: the logger's configuration.
        run: the run folder, in which offline files are written.
        method: the plain configuration.
        facts: of the manifest: versions, machine, revision.
    """
    if config.type == "none" or config.mode == "disabled":
        return Tracker()
    if config.type == "wandb":
        return WandbTracker(config, run, method, facts)
    return FabricTracker(config, run)


class WandbTracker(Tracker):
    """One Weights & Biases run for all stages and resumptions; its id is a hash of the run folder.

    Under an agent of a W&B sweep, id and project are the sweep's.
    """

    def __init__(
        self, config: LoggerConfig, run: RunFolder, method: Mapping[str, Any], facts: Mapping[str, Any]
    ) -> None:
        import wandb

        self._config, self._folder = config, run.path
        swept = bool(os.environ.get("WANDB_SWEEP_ID"))
        own_id = hashlib.blake2b(str(run.path.resolve()).encode(), digest_size=8).hexdigest()
        self._run = wandb.init(
            project=None if swept else config.project,
            mode=config.mode,
            name=config.name or run.path.name,
            tags=config.tags or None,
            group=config.group or None,
            id=None if swept else own_id,
            resume="allow" if config.mode == "online" else None,
            config={**method, "run": dict(facts)},
            dir=str(run.path),
            reinit="finish_previous",
        )
        for stage in method.get("stages", {}):
            self._run.define_metric(f"{stage}/*", step_metric="step")

    def log(self, values: Mapping[str, float], step: int) -> None:
        self._run.log({**values, "step": step})

    def picture(self, name: str, path: Path, step: int) -> None:
        import wandb

        self._run.log({name: wandb.Image(str(path)), "step": step})

    def close(self, summary: Mapping[str, Any], exports: Path, finished: bool) -> None:
        import wandb

        self._run.summary.update(dict(summary))
        if finished and any(exports.iterdir()):
            artifact = wandb.Artifact(f"export-{self._run.id}", type="export")
            artifact.add_dir(str(exports))
            self._run.log_artifact(artifact)
        self._run.finish(exit_code=0 if finished else 1)
        if self._config.mode == "offline":
            _log.info("W&B, without a network: wandb sync --append %s", self._folder / "wandb" / "offline-run-*")


class FabricTracker(Tracker):
    """Lightning's TensorBoard or CSV logger, in the run folder's `tensorboard/` or `csv/`."""

    def __init__(self, config: LoggerConfig, run: RunFolder) -> None:
        from lightning_fabric.loggers import CSVLogger, TensorBoardLogger

        logger = TensorBoardLogger if config.type == "tensorboard" else CSVLogger
        self._logger = logger(root_dir=str(run.path), name=config.type, version="")

    def log(self, values: Mapping[str, float], step: int) -> None:
        self._logger.log_metrics(dict(values), step)

    def close(self, summary: Mapping[str, Any], exports: Path, finished: bool) -> None:
        self._logger.finalize("success" if finished else "failed")


def _has_wandb_login() -> bool:
    import wandb

    return bool(os.environ.get("WANDB_API_KEY") or wandb.api.api_key)
