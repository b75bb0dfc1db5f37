"""What starts quickly loads little: which heavy packages are not imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    "torch", "numpy", "numba", "scipy", "skimage", "lightning_fabric", "diffusers", "transformers", "trimesh",
    "matplotlib", "imageio", "wandb",
)  # fmt: skip


def _loaded(code: str) -> set[str]:
    """Heavy packages that a fresh process has loaded after running code."""
    tail = f"\nimport sys; print('loaded', *sorted({set(HEAVY)!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code + tail], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split()[1:])


@pytest.mark.parametrize("code", ["import maquette", "import maquette.config.schema", "import maquette.cli.app"])
def test_an_import_loads_nothing_heavy(code):
    assert _loaded(code) == set()


@pytest.mark.parametrize(
    "words", [["--help"], ["run", "--help"], ["--version"], ["plugin", "list"], ["list"], ["list", "losses"]], ids=str
)
def test_a_command_that_computes_nothing_loads_nothing_heavy(words):
    code = (
        "from typer.testing import CliRunner\nfrom maquette.cli.app import app\n"
        f"assert CliRunner().invoke(app, {words!r}).exit_code == 0"
    )
    assert _loaded(code) == set()
