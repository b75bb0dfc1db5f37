"""Plugins work from wheels, away from the clone: generated ones of every kind, and the two examples."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from importlib.metadata import distribution
from pathlib import Path

import pytest

from maquette.registry import KINDS
from maquette.testing.scaffold import write_package
from project import ROOT

EXAMPLES = ("maquette-example-brightness", "maquette-example-lathe")
OWN = {"maquette": ROOT / "framework" / "maquette", "maquette-nano": ROOT / "plugins/maquette-nano/maquette_nano"}
FEW = [
    "stages.views.sampling.steps=8", "stages.shape.steps=2", "stages.shape.size=32",
    "stages.shape.hull.resolution=24", "stages.shape.geometry={type: sdf-voxels, levels: [16]}",
    "stages.shape.texture_size=0", "stages.shape.max_faces=500", "stages.shape.loop.preview_every=0",
    "stages.export.exporters.mesh={resolution: 24, texture_size: 16, max_faces: 500}",
    "~stages.export.exporters.turntable",
    "~stages.export.exporters.contact-sheet",
]  # fmt: skip
"""Settings that shrink `instant`."""


class Environment:
    """A virtual environment with wheels; what is large comes from the environment that runs the tests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "env")], check=True)
        self.python = folder / "env" / "bin" / "python"
        self.site = next((folder / "env" / "lib").glob("python*/site-packages"))
        (self.site / "large.pth").write_text(sysconfig.get_path("purelib") + "\n")  # its own .pth files are not read

    def install_own(self) -> None:
        """Lay out maquette and maquette-nano as their wheels do."""
        for name, package in OWN.items():
            shutil.copytree(package, self.site / package.name, ignore=shutil.ignore_patterns("__pycache__"))
            info = distribution(name)
            folder = self.site / f"{name.replace('-', '_')}-{info.version}.dist-info"
            folder.mkdir()
            (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {info.version}\n")
        entry = "[maquette.plugins]\nnano = maquette_nano\n"
        next(self.site.glob("maquette_nano-*.dist-info")).joinpath("entry_points.txt").write_text(entry)
        shutil.copytree(ROOT / "configs", self.site / "maquette" / "configs")

    def install(self, *packages: Path) -> None:
        """Build wheels of packages and install them."""
        wheels = self.folder / "wheels"
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
        offline = ["--no-deps", "--no-index"]
        self._run(*pip, "wheel", *offline, "--no-build-isolation", "-w", str(wheels), *map(str, packages))
        self._run(*pip, "install", *offline, "--target", str(self.site), *map(str, sorted(wheels.glob("*.whl"))))

    def run(self, *words: str) -> str:
        """The output of a Python command, which succeeds, in an empty folder."""
        return self._run(str(self.python), *words)

    def _run(self, *words: str) -> str:
        away = self.folder / "away"
        away.mkdir(exist_ok=True)
        names = ("PYTHONPATH", "MAQUETTE_PLUGINS", "TRITON_INTERPRET")
        environment = {name: value for name, value in os.environ.items() if name not in names}
        result = subprocess.run(
            words, cwd=away, env={**environment, "PYTHONDONTWRITEBYTECODE": "1"}, capture_output=True, text=True
        )
        assert result.returncode == 0, f"{' '.join(words)}\n{result.stdout}\n{result.stderr}"
        return result.stdout


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with maquette, the nano priors, both examples, and a generated plugin of each kind."""
    environment = Environment(tmp_path_factory.mktemp("fresh"))
    environment.install_own()
    generated = [write_package(f"new-{kind}", kind, environment.folder / "generated") for kind in KINDS]
    copies = [
        shutil.copytree(ROOT / "plugins" / name, environment.folder / "examples" / name, dirs_exist_ok=True)
        for name in EXAMPLES
    ]
    environment.install(*generated, *copies)
    return environment


@pytest.mark.slow
def test_wheels_of_all_kinds_are_green_in_one_environment(environment: Environment) -> None:
    tests = [str(environment.folder / name) for name in ("generated", "examples")]
    words = ("-p", "no:cacheprovider", "--import-mode=importlib", "-q", "--tb=short")
    printed = environment.run("-m", "pytest", *words, *tests)
    assert f"{3 * len(KINDS) + 3 * len(EXAMPLES) + 1} passed" in printed, printed
    where = environment.run("-c", "import maquette, maquette_example_lathe as m; print(maquette.__file__, m.__file__)")
    assert all(str(environment.site) in path for path in where.split())


@pytest.mark.slow
def test_instant_runs_with_an_installed_generator(environment: Environment) -> None:
    printed = environment.run("-m", "maquette", "run", "instant", "prompt=a red mug", "stages.shape.start=lathe", *FEW)
    assert "export/mesh.glb" in printed or list(environment.folder.rglob("export/*.glb")), printed
