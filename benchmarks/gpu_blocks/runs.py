"""Whole runs on the device: stages that hand over, a run that is killed and goes on, memory."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gpu_blocks import models
from gpu_blocks.record import Findings, Setting
from maquette.config.loading import load_method
from maquette.scene import Scene
from maquette.stages.base import StageContext
from maquette.training.run_folder import RunFolder
from maquette.training.timings import Timings

COARSE = [
    "stages.coarse.geometry={levels: 4, log2_table_size: 10, finest_resolution: 32, width: 16}",
    "stages.coarse.cameras.size=16", "stages.coarse.renderer={samples: 16, occupancy: {resolution: 16}}",
    "stages.fine.cameras.size=16",
    "stages.fine.geometry={resolution: 8, levels: 4, log2_table_size: 10, finest_resolution: 32, width: 16}",
    "stages.export.exporters.mesh={resolution: 16, texture_size: 32, max_faces: 200}",
    "stages.export.exporters.turntable={frames: 2, size: 16}", "stages.export.exporters.contact-sheet={size: 16}",
]  # fmt: skip
VOLUME = [
    "stages.nerf.geometry={levels: 4, log2_table_size: 10, finest_resolution: 32, width: 16}",
    "stages.nerf.cameras.size=16", "stages.nerf.renderer={samples: 16, occupancy: {resolution: 16}}",
    "stages.nerf.loop={checkpoint_every: 0, preview_every: 0, log_every: 1}", "~stages.export",
]  # fmt: skip


def stages(setting: Setting, findings: Findings) -> None:
    """Magic3D with a few steps of each stage: where the scene is after each, and how long export takes."""
    steps = setting.pick(20, 1)
    words = [
        "prompt=a red mug", "prior=sd15", f"prior.path={models.stable_diffusion(setting)}",
        f"prior.device={setting.device}", f"prior.size={setting.pick(512, 32)}", f"stages.coarse.steps={steps}",
        f"stages.fine.steps={steps}", *(COARSE if setting.tiny else []),
        *(f"stages.{name}.loop={{device: {setting.device.type}, preview_every: 0}}" for name in ("coarse", "fine")),
    ]  # fmt: skip
    resolved = load_method("magic3d", words)
    run, timings = RunFolder.create(str(setting.folder / "stages"), "magic3d", "check", resolved.to_yaml()), Timings()
    context = StageContext("", resolved.method, run, resume=False, timings=timings)
    for name, spec in resolved.method.stages.items():
        context.name = name
        with timings.measure(f"stage {name}"):
            spec.build().run(context)
        scene: Scene = context.artifacts.scene
        findings.note(f"scene after {name}", scene.device.type)
        findings.agree(f"scene on the device after {name}", scene.device.type == setting.device.type, at_least=1)
    findings.note("seconds", {part: round(wall, 3) for part, wall in timings.wall.items()})
    findings.fast("export seconds", timings.wall["stage export"], at_most=10)


def resume(setting: Setting, findings: Findings) -> None:
    """A small run with a small prior, killed halfway and resumed, beside one that was left alone."""
    steps = setting.pick(100, 12)
    tiny = Setting(setting.device, True, setting.folder)  # whether state survives is no matter of size
    words = [
        "dreamfusion", "prompt=a red mug", "prior=sd15", f"prior.path={models.stable_diffusion(tiny)}",
        "prior.size=32", f"prior.device={setting.device}", f"stages.nerf.steps={steps}", *VOLUME,
        f"stages.nerf.loop.device={setting.device.type}",
    ]  # fmt: skip
    whole, killed = (setting.folder / name for name in ("whole", "killed"))
    with _maquette("run", *words, f"output={whole}") as process:
        process.wait()
    with _maquette("run", *words, f"output={killed}") as process:
        while process.poll() is None and len(_losses(killed)) < steps // 2:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        process.wait()
    findings.note("steps before the signal was obeyed", len(_losses(killed)))
    folder = next(killed.glob("*/*/*/config.yaml")).parent
    with _maquette("resume", str(folder)) as process:
        findings.agree("resumed run's exit code", process.wait(), at_most=0)
    truth, ours = _losses(whole), _losses(killed)
    findings.agree("steps of the resumed run", len(ours), at_least=len(truth))
    off = max((abs(a - b) / max(abs(a), 1e-6) for a, b in zip(truth, ours, strict=False)), default=float("inf"))
    findings.agree("largest relative difference of a loss", off, at_most=1e-3)


@contextmanager
def _maquette(*words: str) -> Iterator[subprocess.Popen]:
    """The command line in a process of its own, which does not outlive the block."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([sys.executable, "-m", "maquette", *words], **quiet)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _losses(output: Path) -> list[float]:
    """The losses of all logged steps of the one run under a folder."""
    file = next(output.glob("*/*/*/metrics.jsonl"), None)
    lines = file.read_text().splitlines() if file is not None else []
    rows = []
    for line in lines:
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:  # it is being written
            break
    return [row["loss"] for row in rows if "loss" in row]


def memory(setting: Setting, findings: Findings) -> None:
    """Which of the blocks' steps ran with how many GiB of the card: a table for the documentation."""
    for block, result in findings.before.items():
        for step, figures in result.get("figures", {}).items():
            if isinstance(figures, dict) and "fits_gib" in figures:
                named = block if step == "step" else f"{block}, {step}"
                findings.note(named, {"peak_mib": figures["peak_mib"], "fits_gib": figures["fits_gib"]})
