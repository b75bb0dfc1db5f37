"""The lines of docs/troubleshooting.md are those that maquette prints."""

from __future__ import annotations

import re
import sys

import numpy as np
import pytest
import torch

from maquette.config.loading import load_method
from maquette.errors import MaquetteError
from maquette.images.picture import Picture
from maquette.inspection import inspect_path
from maquette.matting.border import Border
from maquette.meshes.isosurface import extract_surface
from maquette.meshes.mesh import Mesh
from maquette.meshes.repair import Repaired
from project import ROOT, page

TEXT = page("troubleshooting")
LINES = [
    line.removeprefix("error: ")
    for block in re.findall(r"```text\n(.*?)```", TEXT, re.DOTALL)
    for line in block.splitlines()
]


def printed(call) -> str:
    """The line of an error, as it is printed in the checkout."""
    with pytest.raises(MaquetteError) as problem:
        call()
    return str(problem.value).replace(f"{ROOT}/", "")


def is_shown(line: str) -> bool:
    """Whether the page has a line, the end of a long list cut."""
    return any(
        line == shown or (shown.endswith("...") and line.startswith(shown.removesuffix("..."))) for shown in LINES
    )


@pytest.fixture(autouse=True)
def _files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text("extends: dreamfusion\nstages:\n  nerf: {losses: {opacitty: {weight: 1.0}}}\n")
    (tmp_path / "broken.yaml").write_text("extends: dreamfusion\nstages: {nerf: [1, 2}\n")
    (tmp_path / "chair.glb").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:1\n")


@pytest.mark.parametrize(
    "words",
    [
        ("dreamfusion",),
        ("dreamfusion", "prompt=a mug", "steps 3"),
        ("dreamfusion", "prompt=a mug", "stages.nef.steps=3"),
        ("mine.yaml", "prompt=a mug"),
        ("broken.yaml", "prompt=a mug"),
        ("dreamfusion", "prompt=a mug", "seed=one"),
        ("dreamfusion", "prompt=a mug", "stages.nerf.cameras.fov_y_deg=[0, 0]"),
        ("dreamfusion", "prompt=a mug", "~stages.nerf.losses.opaque"),
        ("dreamfusion", "prompt=a mug", "stages.nerf.renderer=mesh"),
        ("dreamfusion", "prompt=a mug", "stages.nerf.guidance.sds.score=cfg-two"),
        ("dreamfusion", "prompt=a mug", "prior=nano-zero123"),
    ],
)
def test_an_error_of_the_configuration_is_on_the_page(words):
    line = printed(lambda: load_method(words[0], words[1:]))
    assert is_shown(line), line


@pytest.mark.parametrize("name", ["chair.glb", "nothing"])
def test_an_error_of_a_file_is_on_the_page(name):
    line = printed(lambda: inspect_path(name))
    assert is_shown(line), line


def test_the_error_of_a_motley_border_is_on_the_page():
    rgb = torch.full((1, 32, 32, 3), 0.8)
    rgb[:, :12] = torch.linspace(0, 1, 12)[None, :, None, None]
    line = printed(lambda: Border(Border.Config())(Picture.opaque(rgb)))
    assert is_shown(line), line


def test_the_warning_of_a_fog_is_on_the_page():
    line = printed(lambda: extract_surface(lambda points: torch.full((len(points),), 0.31), 1.0, 128, 5.0))
    assert is_shown(line), line


@pytest.mark.skipif("rembg" in sys.modules, reason="says what to do without rembg")
def test_the_error_of_a_missing_rembg_is_on_the_page(monkeypatch):
    from maquette.matting.rembg import Rembg

    monkeypatch.setitem(sys.modules, "rembg", None)
    line = printed(lambda: Rembg(Rembg.Config())(Picture.opaque(torch.from_numpy(np.zeros((1, 8, 8, 3), np.float32)))))
    assert is_shown(line), line


def test_the_account_of_a_repaired_mesh_is_on_the_page():
    account = Repaired(Mesh([], []), closed=1, tubes=2, left_out=3, left_out_area=0.012, apart=1).account()
    assert f"mesh: {account}" in LINES
