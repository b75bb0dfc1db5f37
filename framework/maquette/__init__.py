"""maquette: 3D objects and scenes out of diffusion priors; a method is a YAML file, a prior is a package.

`import maquette as mq` loads nothing heavy: a name is imported when it is first used. `docs/python.md` shows all, and
`__init__.pyi` says the same to editors.
"""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"

_PLACES = {
    "maquette.api": (
        "compare", "inspect", "load", "methods", "orbit", "part", "parts", "prior", "read_mesh", "render", "resume",
        "run", "sample_views", "save", "sheet", "show",
    ),
    "maquette.cameras.base": ("Cameras",),
    "maquette.errors": ("MaquetteError",),
    "maquette.finished_run": ("Run",),
    "maquette.meshes.mesh": ("Mesh",),
    "maquette.registry": ("register",),
}  # fmt: skip
"""Module -> public names that it defines."""

__all__ = [
    "Cameras", "MaquetteError", "Mesh", "Run", "compare", "inspect", "load", "methods", "orbit", "part", "parts",
    "prior", "read_mesh", "register", "render", "resume", "run", "sample_views", "save", "sheet", "show",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    for module, names in _PLACES.items():
        if name in names:
            from importlib import import_module

            return getattr(import_module(module), name)
    raise AttributeError(f"module 'maquette' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
