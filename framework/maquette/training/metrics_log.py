"""The metrics of a run: one JSON object per line, and optionally a W&B run."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import yaml

from maquette.config.schema import LoggerConfig
from maquette.errors import MissingDependency


class MetricsLog:
    """Appends to `metrics.jsonl`; on resume, lines of the same stage from the resumed step on are dropped first."""

    def __init__(self, path: Path, stage: str, first_step: int, logger: LoggerConfig, run_name: str) -> None:
        self.stage = stage
        if path.is_file():
            lines = [line for line in path.read_text().splitlines() if self._older(line, first_step)]
            path.write_text("".join(line + "\n" for line in lines))
        self._stream = path.open("a", encoding="utf-8")
        self._wandb: Any = _start_wandb(logger, run_name, path.parent) if logger.type == "wandb" else None
        if self._wandb is not None:
            self._wandb.define_metric(f"{stage}/*", step_metric=f"{stage}/step")

    def _older(self, line: str, first_step: int) -> bool:
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            return False  # the last line of a killed run may be cut short
        return row.get("stage") != self.stage or row.get("step", 0) < first_step

    def write(self, step: int, values: dict[str, float]) -> None:
        """Log the values of one step."""
        row = {"stage": self.stage, "step": step, **{name: float(f"{value:.6g}") for name, value in values.items()}}
        self._stream.write(json.dumps(row) + "\n")
        self._stream.flush()
        if self._wandb is not None:
            named = {f"{self.stage}/{name}": value for name, value in values.items()}
            self._wandb.log({**named, f"{self.stage}/step": step})

    def picture(self, step: int, path: Path) -> None:
        """Log the preview image at `path` to W&B; `metrics.jsonl` has no images."""
        if self._wandb is not None:
            import wandb

            self._wandb.log({f"{self.stage}/preview": wandb.Image(str(path)), f"{self.stage}/step": step})

    def close(self) -> None:
        """Flush and close."""
        self._stream.close()
        if self._wandb is not None:
            self._wandb.finish()


def _start_wandb(logger: LoggerConfig, run_name: str, folder: Path) -> Any:
    """Start the W&B run. Its id is a hash of the run folder, so that a resumed run continues the same W&B run."""
    try:
        import wandb
    except ImportError as problem:
        raise MissingDependency("logger.type=wandb needs wandb: pip install 'maquette[wandb]'") from problem
    config = folder / "config.yaml"
    return wandb.init(
        project=logger.project,
        mode=logger.mode,
        name=run_name,
        id=hashlib.blake2b(str(folder.resolve()).encode(), digest_size=8).hexdigest(),
        resume="allow" if logger.mode == "online" else None,
        config=yaml.safe_load(config.read_text()) if config.is_file() else {},
        dir=str(folder),
        reinit="finish_previous",
    )
