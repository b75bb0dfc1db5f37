"""Which implementation a kernel takes, and why.

An explicit `backend=` argument wins over the environment variable MAQUETTE_KERNEL_BACKEND, which wins over "auto".
"auto" takes the first backend of the kernel's list that serves the tensor's device and is installed. A backend that was
named, by argument or variable, is taken or refused; it never gives way to another one, except that the variable leaves
alone the kernels that were never written for that backend.
"""

from __future__ import annotations

import difflib
import importlib
import logging
import os
from dataclasses import dataclass, replace
from functools import cache
from types import ModuleType

from maquette.errors import ConfigError, MissingDependency

ENVIRONMENT_VARIABLE = "MAQUETTE_KERNEL_BACKEND"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Backend:
    """One way of implementing kernels.

    Attributes:
        module: name of the file that holds it in each kernel's folder.
        devices: torch device types that it serves; empty means any.
        requires: package that must be importable; empty means none.
        install: what to type when that package is missing.
    """

    module: str
    devices: tuple[str, ...] = ()
    requires: str = ""
    install: str = ""

    def serves(self, device: str) -> bool:
        return not self.devices or device in self.devices


@dataclass(frozen=True)
class KernelInfo:
    """One line of `maquette doctor`: what `kernel` runs on `device` and the reason, in words."""

    kernel: str
    device: str
    backend: str
    reason: str


BACKENDS = {
    "numba": Backend("numba_cpu", devices=("cpu",), requires="numba", install="pip install numba"),
    "reference": Backend("reference"),
}

# Kernel -> its package and its backends, the preferred one first; the reference serves every device and comes last.
KERNELS: dict[str, tuple[str, tuple[str, ...]]] = {
    "hash-grid": ("maquette.kernels.hash_grid", ("numba", "reference")),
    "compositing": ("maquette.kernels.compositing", ("numba", "reference")),
    "marching": ("maquette.kernels.marching", ("numba", "reference")),
    "rasterise": ("maquette.kernels.rasterise", ("numba", "reference")),
    "splatting": ("maquette.kernels.splatting", ("numba", "reference")),
    "tetrahedra": ("maquette.kernels.tetrahedra", ("reference",)),
}


def implementation(kernel: str, backend: str, device: str) -> ModuleType:
    """The module that implements a kernel on a device.

    Args:
        kernel: a key of KERNELS.
        backend: "auto" or a key of BACKENDS.
        device: a torch device type, "cpu" or "cuda".

    Raises:
        ConfigError: a named backend does not exist, or does not serve the device.
        MissingDependency: a named backend needs a package that cannot be imported.
    """
    return _load(kernel, choose(kernel, backend, device).backend)


def choose(kernel: str, backend: str = "auto", device: str = "cpu") -> KernelInfo:
    """Decide which backend a kernel takes on a device; arguments and errors as in `implementation`."""
    if backend != "auto":
        return _named(kernel, backend, device, "named by the caller")
    from_environment = os.environ.get(ENVIRONMENT_VARIABLE, "auto")
    if from_environment == "auto":
        return _automatic(kernel, device)
    offered = KERNELS[kernel][1]
    if from_environment in BACKENDS and from_environment not in offered:  # the variable speaks of all kernels at once
        taken = _automatic(kernel, device)
        return replace(taken, reason=f"it has no {from_environment} ({ENVIRONMENT_VARIABLE}); {taken.reason}")
    return _named(kernel, from_environment, device, f"named by {ENVIRONMENT_VARIABLE}")


def describe(devices: tuple[str, ...] = ("cpu", "cuda")) -> list[KernelInfo]:
    """What every kernel takes on each device and why; a refused choice is told as its reason, with backend "none"."""
    rows = []
    for kernel in KERNELS:
        for device in devices:
            try:
                rows.append(choose(kernel, device=device))
            except (ConfigError, MissingDependency) as refusal:
                rows.append(KernelInfo(kernel, device, "none", str(refusal)))
    return rows


def _named(kernel: str, backend: str, device: str, how: str) -> KernelInfo:
    offered = KERNELS[kernel][1]
    if backend not in offered:
        near = difflib.get_close_matches(backend, offered, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has: {', '.join(('auto', *offered))}"
        raise ConfigError(f"kernel {kernel!r} has no backend {backend!r} ({how})", hint=hint)
    if not BACKENDS[backend].serves(device):
        others = [name for name in offered if BACKENDS[name].serves(device)]
        raise ConfigError(
            f"backend {backend!r} of kernel {kernel!r} ({how}) does not run on {device}",
            hint=f"on {device} take 'auto' or: {', '.join(others)}",
        )
    problem = _import_problem(BACKENDS[backend].requires)
    if problem:
        raise MissingDependency(
            f"backend {backend!r} of kernel {kernel!r} ({how}) cannot be loaded: {problem}; "
            f"run `{BACKENDS[backend].install}`, or let backend='auto' choose"
        )
    return KernelInfo(kernel, device, backend, how)


@cache
def _automatic(kernel: str, device: str) -> KernelInfo:
    offered = KERNELS[kernel][1]
    passed_over = []
    for name in offered:
        if not BACKENDS[name].serves(device):
            passed_over.append(f"{name} does not run on {device}")
            continue
        problem = _import_problem(BACKENDS[name].requires)
        if not problem:
            break
        passed_over.append(f"{name}: {problem}")
        _log.warning("kernel %s falls back to a slower backend: %s; run `%s`", kernel, problem, BACKENDS[name].install)
    reason = "; ".join(passed_over) or f"the fastest one for {device}"
    _log.debug("kernel %s on %s: %s (%s)", kernel, device, name, reason)
    return KernelInfo(kernel, device, name, reason)


@cache
def _import_problem(package: str) -> str:
    """Empty when the package can be imported; importing is the only honest test of a compiled package."""
    if not package:
        return ""
    try:
        importlib.import_module(package)
    except ImportError as error:
        return f"{package} cannot be imported ({error})"
    return ""


@cache
def _load(kernel: str, backend: str) -> ModuleType:
    return importlib.import_module(f"{KERNELS[kernel][0]}.{BACKENDS[backend].module}")
