"""How the check of a card is run and kept: settings, bars, guarded blocks, one JSON file."""

from __future__ import annotations

import gc
import json
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from maquette.files import write_atomically
from maquette.training.manifest import machine, revision, versions


@dataclass(frozen=True)
class Setting:
    """Settings of all blocks.

    Args:
        device: where everything computes.
        tiny: small shapes, which show that a block runs and agrees, and nothing about speed or memory.
        folder: for weights and runs.
    """

    device: torch.device
    tiny: bool
    folder: Path

    @property
    def cuda(self) -> bool:
        return self.device.type == "cuda"

    def pick(self, published: Any, tiny: Any) -> Any:
        """The one that fits the shapes."""
        return tiny if self.tiny else published


@dataclass
class Findings:
    """Figures that a block has measured so far; recorded even if it fails later."""

    setting: Setting
    figures: dict[str, Any] = field(default_factory=dict)
    bars: list[dict[str, Any]] = field(default_factory=list)
    before: dict[str, Any] = field(default_factory=dict)  # the blocks before it, as recorded

    def note(self, name: str, value: Any) -> Any:
        """Keep a figure, and hand it on."""
        self.figures[name] = round(value, 4) if isinstance(value, float) else value
        return value

    def agree(self, name: str, value: float, *, at_least: float | None = None, at_most: float | None = None) -> None:
        """Hold a figure of correctness to a bar, whatever the shapes and the device."""
        self._bar(name, value, at_least, at_most, judged=True)

    def fast(self, name: str, value: float, *, at_least: float | None = None, at_most: float | None = None) -> None:
        """Hold a figure of speed or memory to a bar; judged on a card at the published shapes alone."""
        self._bar(name, value, at_least, at_most, judged=self.setting.cuda and not self.setting.tiny)

    def _bar(self, name: str, value: float, at_least: float | None, at_most: float | None, judged: bool) -> None:
        ok = (at_least is None or value >= at_least) and (at_most is None or value <= at_most)
        limits = {"at_least": at_least, "at_most": at_most}
        bounds = {limit: number for limit, number in limits.items() if number is not None}
        self.bars.append({"bar": name, "value": float(f"{value:.6g}"), **bounds, "ok": ok if judged else None})


@dataclass(frozen=True)
class Block:
    """A part of the check.

    Args:
        name: what `--blocks` takes.
        seconds: that it takes on a card at the published shapes, by estimate.
        work: measures into the findings.
    """

    name: str
    seconds: float
    work: Callable[[Setting, Findings], None]


class OutOfTime(Exception):
    """A block did not end within the budget."""


class Record:
    """The JSON file, written anew whenever a block is done.

    Args:
        path: of the file.
        setting: settings of the blocks.
        budget: seconds for all of them.
        again: keep the blocks that the file holds already.
    """

    def __init__(self, path: Path, setting: Setting, budget: float, again: bool) -> None:
        self.path, self.setting = path, setting
        self._end = time.monotonic() + budget
        previous = json.loads(path.read_text()) if again and path.is_file() else {}
        self.blocks: dict[str, dict[str, Any]] = previous.get("blocks", {})

    def seconds_left(self) -> float:
        return max(self._end - time.monotonic(), 0.0)

    def run(self, block: Block) -> None:
        """Run one block and record its findings, even if it fails."""
        remaining = self.seconds_left()
        if remaining < (0 if self.setting.tiny else block.seconds):
            self._keep(block, {"skipped": f"{remaining:.0f} s are left, and it takes about {block.seconds:.0f}"})
            return
        findings = Findings(self.setting, before=self.blocks)
        error, started = None, time.perf_counter()
        before = signal.signal(signal.SIGALRM, _out_of_time)
        signal.setitimer(signal.ITIMER_REAL, max(remaining, 1.0))
        try:
            block.work(self.setting, findings)
        except Exception:  # whatever it is, the other blocks go on
            error = traceback.format_exc(limit=-6)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        result = {
            "seconds": round(time.perf_counter() - started, 2),
            "figures": findings.figures,
            "bars": findings.bars,
        }
        self._keep(block, result | ({"error": error} if error else {}))

    def _keep(self, block: Block, result: dict[str, Any]) -> None:
        self.blocks[block.name] = result
        s = self.setting
        facts = {
            "shapes": "tiny" if s.tiny else "published", "device": str(s.device), "machine": machine(),
            "versions": versions() | card(s.device), "revision": revision(), "blocks": self.blocks,
        }  # fmt: skip
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self.path, json.dumps(facts, indent=1))
        print(f"{block.name}: {_line(result)}", flush=True)

    def device_answers(self) -> bool:
        """Whether the device still works after what has happened on it; frees what the last block left."""
        if not self.setting.cuda:
            return True
        gc.collect()
        try:
            torch.cuda.synchronize()
            torch.cuda.empty_cache()
        except RuntimeError:
            return False
        return True

    def close(self) -> int:
        """Say where the record is; 1 where a block raised or missed a bar."""
        print(f"record: {self.path}")
        failed = [name for name, result in self.blocks.items() if "error" in result or _missed(result)]
        return int(bool(failed))


def card(device: torch.device) -> dict[str, Any]:
    """The card's memory and what drives it; nothing for a CPU."""
    if device.type != "cuda":
        return {}
    facts = torch.cuda.get_device_properties(device)
    return {
        "cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version(), "memory_gib": facts.total_memory / 2**30,
        "capability": f"{facts.major}.{facts.minor}",
    }  # fmt: skip


def _out_of_time(number: int, frame: FrameType | None) -> None:
    raise OutOfTime("the budget is spent")


def _missed(result: dict[str, Any]) -> list[str]:
    return [f"{bar['bar']} {bar['value']:g}" for bar in result.get("bars", []) if bar["ok"] is False]


def _line(result: dict[str, Any]) -> str:
    if "skipped" in result:
        return f"skipped: {result['skipped']}"
    if "error" in result:
        return f"FAILED after {result['seconds']} s: {result['error'].strip().splitlines()[-1]}"
    missed = _missed(result)
    return f"{result['seconds']} s, " + (f"MISSED {'; '.join(missed)}" if missed else "ok")
