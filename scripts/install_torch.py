"""Installs torch, without the CUDA libraries where nothing could use them.

    python scripts/install_torch.py REQUIREMENT

On Linux the public package index brings a torch with several gigabytes of CUDA libraries. Where pip would fetch those
and the machine has no NVIDIA driver, PyTorch's own index of CPU builds is used instead, and this is said. Where pip
would fetch no such library, as with a local index of CPU builds, nobody else is asked.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

CPU_BUILDS = "https://download.pytorch.org/whl/cpu"
CUDA_LIBRARIES = ("nvidia-", "cuda-", "triton")
DRIVER = Path("/proc/driver/nvidia/version")


def cuda_libraries(report: Mapping[str, Any]) -> list[str]:
    """Names of the CUDA libraries among the distributions that a pip report would install."""
    names = [item["metadata"]["name"].lower() for item in report.get("install", ())]
    return sorted(name for name in names if name.startswith(CUDA_LIBRARIES))


def has_driver() -> bool:
    """Whether this machine has an NVIDIA driver."""
    return DRIVER.exists() or shutil.which("nvidia-smi") is not None


def choose_index(report: Mapping[str, Any], driver: bool) -> list[str]:
    """Further arguments of `pip install torch`: none, or PyTorch's index of CPU builds."""
    return ["--index-url", CPU_BUILDS] if cuda_libraries(report) and not driver else []


def pip(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run this Python's pip."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments]
    return subprocess.run(command, text=True, stdout=subprocess.PIPE)


def plan(requirements: Sequence[str]) -> dict[str, Any]:
    """What pip would install, as its report says; empty where it cannot say."""
    done = pip("--dry-run", "--report", "-", *requirements)
    try:
        report: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        return {}
    return report


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("requirement", help="such as torch==2.13.0")
    parser.add_argument("-c", "--constraint", help="pip's constraints file")
    options = parser.parse_args()
    requirements = [options.requirement, *(["-c", options.constraint] if options.constraint else [])]
    driver = has_driver()
    index = choose_index({} if driver or sys.platform != "linux" else plan(requirements), driver)
    if index:
        print(f"no NVIDIA driver here: torch comes from {CPU_BUILDS}, without the CUDA libraries", flush=True)
    return pip(*requirements, *index).returncode


if __name__ == "__main__":
    sys.exit(main())
