"""Checkpoints: tensors in safetensors, the rest in JSON, written atomically.

A checkpoint is a folder `step-00000400` with `model.safetensors`, `optimizer.safetensors`, `random.safetensors` and
`state.json`. It is written under another name, synced, renamed, and only then are older checkpoints removed.
"""

from __future__ import annotations

import json
import logging
import os
import random
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from maquette.errors import RunError

_log = logging.getLogger(__name__)

TENSOR_FILES = ("model", "optimizer", "random")


@dataclass(frozen=True)
class Checkpoint:
    """The stored state of a stage after `step` steps."""

    path: Path
    step: int

    def load(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer | None) -> dict[str, Any]:
        """Restore model, optimizer and random state; returns the extra values that were saved with them.

        Raises:
            RunError: a file is damaged or does not fit, naming it.
        """
        state = self._state()
        self._fill(model, self._tensors("model"))
        if optimizer is not None:
            _restore_optimizer(optimizer, self._tensors("optimizer"), state["optimizer"])
        _restore_random(self._tensors("random"), state["random"])
        return state["extra"]

    def load_part(self, part: torch.nn.Module, name: str) -> None:
        """Restore only the submodule `name` of the saved model, into `part`.

        Raises:
            RunError: a file is damaged or does not fit, naming it.
        """
        prefix = f"{name}."
        tensors = {
            key.removeprefix(prefix): value for key, value in self._tensors("model").items() if key.startswith(prefix)
        }
        self._fill(part, tensors)

    def check_files(self) -> None:
        """Check that all files are there, whole and of the right kind, without reading the tensors.

        Raises:
            RunError: one is not, naming it.
        """
        self._state()
        for name in TENSOR_FILES:
            path = self.path / f"{name}.safetensors"
            try:
                with safe_open(path, framework="pt") as tensors:
                    tensors.keys()
            except (OSError, SafetensorError) as problem:
                raise _unreadable(path, problem) from problem

    def _state(self) -> dict[str, Any]:
        path = self.path / "state.json"
        try:
            state = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as problem:
            raise _unreadable(path, problem) from problem
        if not isinstance(state, dict) or not {"step", "optimizer", "random", "extra"} <= state.keys():
            raise _unreadable(path, "it lacks the step, or the state of the optimizer or of the random generators")
        return state

    def _fill(self, model: torch.nn.Module, tensors: dict[str, Tensor]) -> None:
        try:
            missing, unexpected = model.load_state_dict(tensors, strict=False)
        except RuntimeError as problem:  # modules whose size is part of their state take any; others raise
            mismatch = re.search(r"size mismatch for ([^:]+)", str(problem))
            raise self._misfit(f"{mismatch[1] if mismatch else problem} has another shape") from None
        if missing or unexpected:
            raise self._misfit(f"missing {missing[:3]}, unexpected {unexpected[:3]}")

    def _misfit(self, difference: str) -> RunError:
        return RunError(
            f"{self.path} does not fit the configuration: {difference}; put the configuration back, or start a new run"
        )

    def _tensors(self, name: str) -> dict[str, Tensor]:
        path = self.path / f"{name}.safetensors"
        try:
            return load_file(path)
        except (OSError, SafetensorError) as problem:
            raise _unreadable(path, problem) from problem


STEP_FOLDER = re.compile(r"step-(\d{8,})")


class CheckpointStore:
    """The checkpoints of one stage in one folder."""

    def __init__(self, folder: Path, keep: int = 2) -> None:
        self.folder, self.keep = folder, keep

    def prepare(self) -> None:
        """Make the folder, and remove what a killed process left half written; only for the folder's sole writer."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for half_written in self.folder.glob(".tmp-*"):
            shutil.rmtree(half_written, ignore_errors=True)

    def all(self) -> list[Checkpoint]:
        """Checkpoints, oldest first; other names in the folder are passed over."""
        names = ((path, STEP_FOLDER.fullmatch(path.name)) for path in self.folder.glob("step-*"))
        checkpoints = [Checkpoint(path, int(match[1])) for path, match in names if match]
        return sorted(checkpoints, key=lambda checkpoint: checkpoint.step)

    def latest(self) -> Checkpoint | None:
        """The whole checkpoint with most steps; damaged ones are passed over with a warning. None: there is none.

        Raises:
            RunError: there are checkpoints, but all are damaged.
        """
        problem: RunError | None = None
        for checkpoint in reversed(self.all()):
            try:
                checkpoint.check_files()
            except RunError as damage:
                problem = damage
                _log.warning("%s; the checkpoint before it is taken", damage)
                continue
            return checkpoint
        if problem is not None:
            raise RunError(f"no checkpoint in {self.folder} is whole; delete the folder to begin this stage anew")
        return None

    def save(
        self,
        step: int,
        model: torch.nn.Module,
        optimizer: torch.optim.Optimizer | None,
        extra: Mapping[str, Any],
    ) -> Checkpoint:
        """Save the state after `step` steps, then delete old checkpoints. Raises RunError, e.g. on a full disk."""
        final, temporary = self.folder / f"step-{step:08d}", self.folder / f".tmp-{step:08d}"
        if final.exists():
            if _is_whole(Checkpoint(final, step)):
                return Checkpoint(final, step)
            shutil.rmtree(final)
        try:
            self.prepare()
            self._write(temporary, model, optimizer, extra, step)
            temporary.rename(final)
            _sync(self.folder)
        except OSError as problem:
            shutil.rmtree(temporary, ignore_errors=True)
            last_good = self.all()[-1] if self.all() else None
            raise RunError(
                f"could not write the checkpoint of step {step}: {problem.strerror or problem}; "
                + (f"the last good one is {last_good.path}" if last_good else "there is none before it")
            ) from problem
        for old in self.all()[: -self.keep]:
            shutil.rmtree(old.path)
        return Checkpoint(final, step)

    def _write(
        self,
        folder: Path,
        model: torch.nn.Module,
        optimizer: torch.optim.Optimizer | None,
        extra: Mapping[str, Any],
        step: int,
    ) -> None:
        folder.mkdir()
        moments, groups = _plain_optimizer(optimizer) if optimizer is not None else ({}, {})
        generators, states = _plain_random()
        for name, tensors in (("model", model.state_dict()), ("optimizer", moments), ("random", generators)):
            copies = {key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()}
            try:
                save_file(copies, folder / f"{name}.safetensors")
            except SafetensorError as problem:
                raise OSError(str(problem)) from problem
        state = {"step": step, "optimizer": groups, "random": states, "extra": dict(extra)}
        (folder / "state.json").write_text(json.dumps(state, indent=1))
        for path in (*folder.iterdir(), folder):
            _sync(path)


def _unreadable(path: Path, problem: object) -> RunError:
    return RunError(f"cannot read {path}: {' '.join(str(problem).split())}")


def _is_whole(checkpoint: Checkpoint) -> bool:
    try:
        checkpoint.check_files()
    except RunError:
        return False
    return True


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _plain_optimizer(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    state = optimizer.state_dict()
    tensors = {
        f"{index}/{name}": value if isinstance(value, Tensor) else torch.tensor(value)
        for index, values in state["state"].items()
        for name, value in values.items()
    }
    groups = [
        {key: value for key, value in group.items() if isinstance(value, (int, float, bool, str, list, tuple))}
        for group in state["param_groups"]
    ]
    return tensors, {"param_groups": groups}


def _restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], plain: dict[str, Any]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, _, name = key.partition("/")
        state.setdefault(int(index), {})[name] = value
    groups = optimizer.state_dict()["param_groups"]
    for group, stored in zip(groups, plain["param_groups"], strict=True):
        group.update(stored)
    optimizer.load_state_dict({"state": state, "param_groups": groups})
    _match_memory(optimizer)


def _match_memory(optimizer: torch.optim.Optimizer) -> None:
    """Lay moments out in memory as their parameters are: fused optimisers pair the two number by number as they lie."""
    for parameter, values in optimizer.state.items():
        for name, value in values.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                values[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value).detach()


def _plain_random() -> tuple[dict[str, Tensor], dict[str, Any]]:
    kind, keys, position, has_gauss, gauss = np.random.get_state()
    tensors = {"torch": torch.get_rng_state(), "numpy": torch.from_numpy(np.asarray(keys).astype(np.int64))}
    version, internal, gauss_next = random.getstate()
    return tensors, {
        "numpy": [kind, position, has_gauss, gauss],
        "python": [version, list(internal), gauss_next],
    }


def _restore_random(tensors: dict[str, Tensor], plain: dict[str, Any]) -> None:
    torch.set_rng_state(tensors["torch"])
    kind, position, has_gauss, gauss = plain["numpy"]
    np.random.set_state((kind, tensors["numpy"].numpy().astype(np.uint32), position, has_gauss, gauss))
    version, internal, gauss_next = plain["python"]
    random.setstate((version, tuple(internal), gauss_next))
