"""The manifest of a run, for reproducing it: versions, git revision, machine, times, memory."""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from maquette import __version__, plugins
from maquette.config.paths import owner
from maquette.files import write_atomically

PACKAGES = ("torch", "lightning-fabric", "diffusers", "transformers", "numpy", "numba", "safetensors", "trimesh")

RESULT_FOLDERS = ("benchmarks/results", "outputs")  # of the checkout: what runs write there changes no later result


def versions() -> dict[str, str]:
    """Versions of Python, maquette, its main dependencies and the loaded plugins, by distribution."""
    numbers = {"python": platform.python_version(), "maquette": __version__}
    for name in (*PACKAGES, *sorted(set(plugins.loaded().values()))):
        try:
            numbers[name] = version(name)
        except PackageNotFoundError:
            continue
    return numbers


def revision() -> str | None:
    """Git revision of maquette's checkout, with "+" for uncommitted changes; None: it is no checkout.

    Folders of results and outputs do not count.
    """
    here = Path(__file__).parent

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=here, capture_output=True, text=True, timeout=10, check=True)
        return done.stdout.strip()

    try:
        top = git("rev-parse", "--show-toplevel")
        if Path(top, "framework", "maquette").resolve() != here.parent.resolve():
            return None  # installed somewhere inside another project's checkout
        changes = git("status", "--porcelain", "--", *(f":(exclude,top){name}" for name in RESULT_FOLDERS), top)
        return git("rev-parse", "HEAD") + ("+" if changes else "")
    except (OSError, subprocess.SubprocessError):
        return None


def machine() -> dict[str, Any]:
    """Operating system, processor and how it is used, cores, threads, GPU and its driver.

    Results repeat to the bit where `instruction_set`, `numba_target`, `dtype` and `threads` agree.
    """
    import torch

    from maquette.kernels.cores import available_cores

    facts: dict[str, Any] = {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": available_cores(),
        "threads": torch.get_num_threads(),
        "instruction_set": torch.backends.cpu.get_cpu_capability(),
        "numba_target": _numba_target(),
        "dtype": str(torch.get_default_dtype()).removeprefix("torch."),
    }
    if torch.cuda.is_available():
        facts["gpu"] = torch.cuda.get_device_name()
        facts["driver"] = _driver()
        facts["cuda"], facts["cudnn"] = torch.version.cuda, torch.backends.cudnn.version()
    return facts


def _numba_target() -> str:
    """The processor that kernels are compiled for: what the environment says, or this one."""
    named = os.environ.get("NUMBA_CPU_NAME")
    if named:
        return named
    from llvmlite import binding

    return str(binding.get_host_cpu_name())


def _driver() -> str | None:
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        lines = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True).stdout.splitlines()
    except (OSError, subprocess.SubprocessError):
        return None
    return lines[0].strip() if lines else None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def peak_memory_mb() -> float:
    """Peak resident memory of this process so far, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1024 * 1024 if sys.platform == "darwin" else 1024), 1)


def peak_gpu_memory_mb() -> dict[str, dict[str, float]]:
    """Peak memory of each GPU so far, in MB: allocated by tensors, and reserved by torch; empty without a GPU."""
    import torch

    if not torch.cuda.is_initialized():
        return {}
    return {
        f"cuda:{index}": {
            "allocated": round(torch.cuda.max_memory_allocated(index) / 2**20, 1),
            "reserved": round(torch.cuda.max_memory_reserved(index) / 2**20, 1),
        }
        for index in range(torch.cuda.device_count())
    }


def larger_peaks(ours: Mapping[str, Mapping[str, float]], theirs: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """The larger of two peaks of each GPU and kind of memory.

    Example:
        >>> larger_peaks({"cuda:0": {"reserved": 2.0}}, {"cuda:0": {"reserved": 3.0}, "cuda:1": {"reserved": 1.0}})
        {'cuda:0': {'reserved': 3.0}, 'cuda:1': {'reserved': 1.0}}
    """
    return {
        device: {
            kind: max(peaks.get(device, {}).get(kind, 0.0) for peaks in (ours, theirs))
            for kind in {**ours.get(device, {}), **theirs.get(device, {})}
        }
        for device in {**ours, **theirs}
    }


def read_manifest(path: Path) -> dict[str, Any]:
    """A manifest; empty if it is missing or broken."""
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return manifest if isinstance(manifest, dict) else {}


def write_manifest(path: Path, claim: bool = True, **facts: Any) -> None:
    """Create or update a run's manifest with `facts`; a new one names this host and user as the owner, if it may."""
    before = read_manifest(path) or ({"owner": owner()} if claim else {})
    write_atomically(path, json.dumps({**before, **facts}, indent=1, ensure_ascii=False))
