"""The hooks of plugins: what `register(hooks)` can add beyond the parts that the manifest declares.

# acme/plugin.py, named by `register = "acme.plugin:register"` in maquette-plugin.toml
def register(hooks):
    hooks.configs(Path(__file__).parent / "configs")
    hooks.weights("acme-prior", Path(__file__).parent / "weights")
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from maquette.errors import PluginError, did_you_mean

_WORD = re.compile(r"[A-Za-z0-9][\w.-]*")
_TARGET = re.compile(r"[A-Za-z_]\w*(\.\w+)*:[A-Za-z_]\w*")
FORMS = ("field", "surface", "splats")


class UnknownHookError(PluginError, AttributeError):
    """A plugin calls a hook that does not exist."""


@dataclass(frozen=True)
class KernelBackend:
    """A backend of a kernel that a plugin offers; its arguments are those of `Hooks.kernel_backend`."""

    kernel: str
    name: str
    module: str
    devices: tuple[str, ...] = ()
    requires: str = ""


@dataclass
class Hooks:
    """What `register` is called with; nothing takes effect before it has returned.

    Attributes:
        config_folders, weight_folders, commands, readers, kernel_backends, conversions: what was added, in order.
    """

    config_folders: list[Path] = field(default_factory=list)
    weight_folders: dict[str, Path] = field(default_factory=dict)
    commands: dict[str, Any] = field(default_factory=dict)
    readers: dict[str, Callable[[Path], Any]] = field(default_factory=dict)
    kernel_backends: list[KernelBackend] = field(default_factory=list)
    conversions: dict[tuple[str, str], str] = field(default_factory=dict)

    def configs(self, folder: str | Path) -> None:
        """Add a folder with the layout of `configs/`: methods/, laptop/, priors/, training/, suites/."""
        self.config_folders.append(_folder("configs", folder))

    def weights(self, name: str, folder: str | Path) -> None:
        """Add weights: a prior's `path` may be their name.

        Args:
            name: letters, digits, '-', '_' and '.'.
            folder: of the files, such as a diffusers folder.
        """
        _new("weights", name, self.weight_folders)
        self.weight_folders[name] = _folder(f"weights {name!r}", folder)

    def command(self, name: str, command: Any) -> None:
        """Add a command `maquette NAME`: a `typer.Typer` of several, or a function with typer's annotations."""
        _new("command", name, self.commands)
        if not callable(command):
            raise PluginError(f"command {name!r} is no typer app and no function, but {command!r}")
        if not getattr(command, "registered_commands", True) and not getattr(command, "registered_groups", True):
            raise PluginError(f"command {name!r} is a typer app without a command")
        self.commands[name] = command

    def reader(self, scheme: str, read: Callable[[Path], Any]) -> None:
        """Add a reader of foreign method files: `maquette run SCHEME:PATH` runs what it makes of PATH.

        Args:
            scheme: of two letters or more.
            read: file -> `maquette.loaded.Loaded` of the keys of a method file.
        """
        _new("reader", scheme, self.readers)
        if len(scheme) < 2:
            raise PluginError(f"reader {scheme!r}: a scheme has two letters or more")
        self.readers[scheme] = read

    def kernel_backend(
        self, kernel: str, name: str, module: str, devices: tuple[str, ...] = (), requires: str = ""
    ) -> None:
        """Add a backend of a kernel, which is taken where it is named.

        Args:
            kernel: a key of `maquette.kernels.backends.KERNELS`.
            name: of the backend.
            module: with the functions of the kernel's `reference.py`; imported when it is taken.
            devices: torch device types that it serves; empty: any.
            requires: package that must be importable; empty: none.
        """
        from maquette.kernels.backends import KERNELS

        if kernel not in KERNELS:
            raise PluginError(
                f"there is no kernel called {kernel!r}; {did_you_mean(kernel, KERNELS)}known: {', '.join(KERNELS)}"
            )
        self.kernel_backends.append(KernelBackend(kernel, name, module, tuple(devices), requires))

    def conversion(self, form: str, geometry: str, target: str) -> None:
        """Add a conversion between representations.

        Args:
            form: of the source: "field", "surface" or "splats".
            geometry: name of the geometry that it becomes.
            target: "package.module:function" of (source scene, target scene, draws); imported when it is needed.
        """
        if form not in FORMS:
            raise PluginError(f"a conversion is from one of {', '.join(FORMS)}, and not from {form!r}")
        if not _TARGET.fullmatch(target):
            raise PluginError(f"conversion to {geometry!r}: {target!r} is no function; write PACKAGE.MODULE:FUNCTION")
        if (form, geometry) in self.conversions:
            raise PluginError(f"the conversion from {form} to {geometry!r} is added twice")
        self.conversions[form, geometry] = target

    def __getattr__(self, name: str) -> NoReturn:
        hint = did_you_mean(name, HOOKS)
        raise UnknownHookError(f"there is no hook called {name!r}; {hint}hooks: {', '.join(HOOKS)}")


HOOKS = ("configs", "weights", "command", "reader", "kernel_backend", "conversion")
"""Names of all hooks."""


def _folder(what: str, folder: str | Path) -> Path:
    path = Path(folder).absolute()
    if not path.is_dir():
        raise PluginError(f"{what}: there is no folder {path}")
    return path


def _new(what: str, name: str, others: Any) -> None:
    if not isinstance(name, str) or not _WORD.fullmatch(name):
        raise PluginError(f"{what}: {name!r} is no name; it has letters, digits, '-', '_' and '.'")
    if name in others:
        raise PluginError(f"{what} {name!r} is added twice")
