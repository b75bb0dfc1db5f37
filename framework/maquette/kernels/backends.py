"""Selection of the backend of a kernel, with the reason.

An explicit `backend=` argument wins over the environment variable MAQUETTE_KERNEL_BACKEND, which wins over "auto".
"auto" takes the first backend of the kernel's list that serves the tensor's device, is installed, and has been tested
there. A backend that was named, by argument or variable, is taken or refused; it never gives way to another one, except
that the variable leaves alone the kernels that were never written for that backend.
"""

from __future__ import annotations

import difflib
import importlib
import logging
import os
from collections.abc import Mapping
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
        module: name of the file that holds it in each kernel's folder; with a dot, of a module of another package.
        devices: torch device types that it serves; empty means any.
        requires: package that must be importable; empty means none.
        install: what to type when that package is missing.
        support: module whose `problem()` says why it does not run on this machine, though its package can be imported.
        emulator: environment variable that, set to 1, makes it serve the CPU as well: slowly, and only when named.
        only_named: why "auto" passes it over on every device; empty where it does not.
        note: what the reader of a choice should know about it.
    """

    module: str
    devices: tuple[str, ...] = ()
    requires: str = ""
    install: str = ""
    support: str = ""
    emulator: str = ""
    only_named: str = ""
    note: str = ""

    def serves(self, device: str) -> bool:
        return not self.devices or device in self.devices

    def emulates(self, device: str) -> bool:
        return device == "cpu" and bool(self.emulator) and os.environ.get(self.emulator) == "1"


@dataclass(frozen=True)
class KernelInfo:
    """One line of `maquette doctor`: what `kernel` runs on `device` and the reason, in words.

    Attributes:
        missed: why a faster backend of the device cannot be had and what to type for it; empty where none is missed.
    """

    kernel: str
    device: str
    backend: str
    reason: str
    missed: str = ""


_UNTESTED = "untested on CUDA yet, taken only when named"

BACKENDS = {
    "numba": Backend("numba_cpu", devices=("cpu",), requires="numba", install="pip install numba"),
    "triton": Backend(
        "triton_cuda",
        devices=("cuda",),
        requires="triton",
        install="pip install triton",
        support="maquette.kernels.triton_support",
        emulator="TRITON_INTERPRET",
        note="tested in triton's interpreter, untimed on CUDA yet",
    ),
    "nvdiffrast": Backend(
        "nvdiffrast_cuda",
        devices=("cuda",),
        requires="nvdiffrast",
        install="pip install git+https://github.com/NVlabs/nvdiffrast",
        only_named=_UNTESTED,
    ),
    "gsplat": Backend(
        "gsplat_cuda", devices=("cuda",), requires="gsplat", install="pip install gsplat", only_named=_UNTESTED
    ),
    "reference": Backend("reference"),
}

# Kernel -> its package and its backends, the preferred one first; the reference serves every device and comes last.
KERNELS: dict[str, tuple[str, tuple[str, ...]]] = {
    "hash-grid": ("maquette.kernels.hash_grid", ("numba", "triton", "reference")),
    "compositing": ("maquette.kernels.compositing", ("numba", "triton", "reference")),
    "marching": ("maquette.kernels.marching", ("numba", "triton", "reference")),
    "rasterise": ("maquette.kernels.rasterise", ("numba", "nvdiffrast", "reference")),
    "splatting": ("maquette.kernels.splatting", ("numba", "gsplat", "triton", "reference")),
    "gaussian-field": ("maquette.kernels.gaussian_field", ("numba", "reference")),
    "tetrahedra": ("maquette.kernels.tetrahedra", ("numba", "reference")),
    "flexicubes": ("maquette.kernels.flexicubes", ("reference",)),
    "marching-cubes": ("maquette.kernels.marching_cubes", ("numba", "reference")),
    "height-field": ("maquette.kernels.height_field", ("numba", "triton", "reference")),
    "simplex-noise": ("maquette.kernels.simplex_noise", ("numba", "reference")),
    "selection": ("maquette.kernels.selection", ("numba", "triton", "reference")),
}

_offered: dict[tuple[str, str], Backend] = {}  # (kernel, name) -> backend of a plugin


def offer_backends(backends: Mapping[tuple[str, str], Backend]) -> None:
    """Set the backends that plugins offer, by kernel and name; each is taken where it is named, and never by "auto"."""
    _offered.clear()
    _offered.update(backends)
    _load.cache_clear()


def _names(kernel: str) -> tuple[str, ...]:
    """Names of the backends of a kernel: its own, the preferred one first, then those that plugins offer."""
    return (*KERNELS[kernel][1], *(name for offered, name in _offered if offered == kernel))


def _backend(kernel: str, name: str) -> Backend:
    return _offered[kernel, name] if (kernel, name) in _offered else BACKENDS[name]


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
    return _load(choose(kernel, backend, device))


def choose(kernel: str, backend: str = "auto", device: str = "cpu") -> KernelInfo:
    """Decide which backend a kernel takes on a device; arguments and errors as in `implementation`."""
    if backend != "auto":
        return _named(kernel, backend, device, "named by the caller")
    from_environment = os.environ.get(ENVIRONMENT_VARIABLE, "auto")
    if from_environment == "auto":
        return _automatic(kernel, device)
    known_names = {*BACKENDS, *(name for _, name in _offered)}
    if from_environment in known_names and from_environment not in _names(
        kernel
    ):  # the variable speaks of all kernels at once
        choice = _automatic(kernel, device)
        return replace(choice, reason=f"it has no {from_environment} ({ENVIRONMENT_VARIABLE}); {choice.reason}")
    return _named(kernel, from_environment, device, f"named by {ENVIRONMENT_VARIABLE}")


def describe(devices: tuple[str, ...] = ("cpu", "cuda")) -> list[KernelInfo]:
    """The backend of every kernel on each device with the reason; backend "none" where the choice raises an error."""
    rows = []
    for kernel in KERNELS:
        for device in devices:
            try:
                rows.append(choose(kernel, device=device))
            except (ConfigError, MissingDependency) as refusal:
                rows.append(KernelInfo(kernel, device, "none", str(refusal)))
    return rows


def _named(kernel: str, backend: str, device: str, how: str) -> KernelInfo:
    offered = _names(kernel)
    if backend not in offered:
        near = difflib.get_close_matches(backend, offered, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has: {', '.join(('auto', *offered))}"
        raise ConfigError(f"kernel {kernel!r} has no backend {backend!r} ({how})", hint=hint)
    chosen = _backend(kernel, backend)
    if not (chosen.serves(device) or chosen.emulates(device)):
        others = [name for name in offered if _backend(kernel, name).serves(device)]
        emulator = chosen.emulator if device == "cpu" else ""
        raise ConfigError(
            f"backend {backend!r} of kernel {kernel!r} ({how}) does not run on {device}",
            hint=f"on {device} take 'auto' or: {', '.join(others)}"
            + (f"; {emulator}=1 emulates it there, slowly, for tests" if emulator else ""),
        )
    problem = _import_problem(chosen.requires)
    if problem:
        raise MissingDependency(
            f"backend {backend!r} of kernel {kernel!r} ({how}) cannot be loaded: {problem}; "
            f"run `{chosen.install}`, or let backend='auto' choose"
        )
    return KernelInfo(kernel, device, backend, how)


@cache
def _automatic(kernel: str, device: str) -> KernelInfo:
    offered = KERNELS[kernel][1]
    passed_over, missed = [], ""
    for name in offered:
        if not BACKENDS[name].serves(device):
            passed_over.append(f"{name} does not run on {device}")
            continue
        if BACKENDS[name].only_named:
            passed_over.append(f"{name} is {BACKENDS[name].only_named}")
            continue
        problem = _import_problem(BACKENDS[name].requires) or _trial_problem(BACKENDS[name].support)
        if not problem:
            break
        missed = f"{problem}; run `{BACKENDS[name].install}`"
        passed_over.append(missed)
    because = [BACKENDS[name].note] if BACKENDS[name].note else []
    reason = "; ".join(because + passed_over) or f"the fastest one for {device}"
    return KernelInfo(kernel, device, name, reason, missed)


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


def _trial_problem(support: str) -> str:
    return importlib.import_module(support).problem() if support else ""


@cache
def _load(choice: KernelInfo) -> ModuleType:
    _log.debug("kernel %s on %s: %s (%s)", choice.kernel, choice.device, choice.backend, choice.reason)
    if choice.missed:
        _log.warning("kernel %s falls back to a slower backend on %s: %s", choice.kernel, choice.device, choice.missed)
    module = _backend(choice.kernel, choice.backend).module
    return importlib.import_module(module if "." in module else f"{KERNELS[choice.kernel][0]}.{module}")
