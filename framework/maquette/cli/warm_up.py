"""The command `maquette warm-up`, and the same in the background while a run begins."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

import maquette
from maquette.files import cache_folder
from maquette.kernels.cores import available_cores

SWITCH = "MAQUETTE_WARM_UP"  # set to 0, runs compile kernels when they need them


def warm_up(
    method: Annotated[str, typer.Argument(help="a method's name (see `maquette list methods`) or YAML file")],
    overrides: Annotated[list[str] | None, typer.Argument(help="key=value words that override the config")] = None,
) -> None:
    """Compile the kernels that a method runs on the CPU, so that its first run does not wait for them.

    A run does this by itself, beside the loading of its priors; this is for the image of a machine.

    maquette warm-up instant
    """
    from maquette.config.stand_ins import load_with_stand_ins
    from maquette.kernels import warm_up
    from maquette.kernels.devices import choose_device

    with tempfile.TemporaryDirectory() as folder:
        resolved = load_with_stand_ins(method, overrides or [], Path(folder))
        if choose_device("auto").type != "cpu":
            typer.echo("on this machine's device, no kernel is compiled beforehand")
            return
        warm_up.announce(lambda name: print(name, flush=True))
        for spec in resolved.method.stages.values():
            spec.build().warm_up()
    marker = _marker(method)
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.touch()


def start_in_background(method: str, overrides: list[str]) -> None:
    """Begin to compile a method's kernels in a process of its own, unless that was done or there is one core only."""
    if os.environ.get(SWITCH) == "0" or available_cores() < 2 or _marker(method).exists():
        return
    from maquette.kernels import warm_up

    command = [sys.executable, "-P", "-m", "maquette", "warm-up", method, "--", *overrides]
    output = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    warm_up.follow(subprocess.Popen(command, text=True, env={**os.environ, SWITCH: "0"}, **output))  # type: ignore[call-overload]


def _marker(method: str) -> Path:
    """The file that says that a method's kernels are compiled: for this numba, this processor and these sources."""
    cache = os.environ.get("NUMBA_CACHE_DIR") or cache_folder()
    package = Path(maquette.__file__).parent
    sources = sorted([*package.rglob("numba_*.py"), *package.glob("meshes/*.py")])
    facts = [method, version("numba"), sys.version, platform.processor(), str(package)]
    facts += [os.environ.get(name, "") for name in ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES")]
    facts += [str(path.stat().st_mtime_ns) for path in sources]
    digest = hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]
    return Path(cache) / f"warm-{digest}"
