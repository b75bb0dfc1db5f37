"""The examples of docs/zero123plus.md run as the page shows them; a stage is guided by six views."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from command_line import logged, run_folder
from maquette.config.parts import BackgroundSpec, CamerasSpec, DataSpec, PriorSpec, check
from maquette.stages.optimise import Guidance
from project import examples


@pytest.fixture
def picture(tmp_path) -> Path:
    rgba = np.zeros((24, 24, 4), dtype=np.uint8)
    rgba[6:18, 6:18] = (200, 30, 30, 255)
    Image.fromarray(rgba).save(tmp_path / "teddy_rgba.png")
    return tmp_path / "teddy_rgba.png"


def nowhere(key: str) -> None:
    """Nothing here was written in a file."""


def test_the_yaml_examples_are_valid(picture, monkeypatch):
    monkeypatch.chdir(picture.parent)
    method, own = (yaml.safe_load(text) for text in examples("zero123plus", "yaml"))
    check(DataSpec, method["data"], "data", nowhere)
    check(CamerasSpec, method["cameras"], "cameras", nowhere)
    check(BackgroundSpec, method["background"], "background", nowhere)
    check(Guidance, method["guidance"]["views"], "guidance", nowhere)
    check(PriorSpec, own["prior"], "prior", nowhere)


def test_the_python_example_runs(tiny_zero123plus, tmp_path):
    named = tmp_path / "zero123plus-v1.2"
    named.symlink_to(tiny_zero123plus)
    names: dict = {}
    exec("\n".join(examples("zero123plus", "python")).replace("sudo-ai/zero123plus-v1.2", str(named)), names)
    assert names["views"].shape == (6, 8, 8, 3)


def test_a_stage_is_guided_by_six_views_of_its_picture(tiny_run, tiny_zero123plus, picture):
    cameras = yaml.safe_load(examples("zero123plus", "yaml")[0])["cameras"] | {"size": 8}
    words = [
        *(word for word in tiny_run if not word.startswith(("prior.", "stages.nerf.cameras"))),
        f"stages.nerf.guidance.sds.prior={{type: zero123plus, path: {tiny_zero123plus}, layout: v1.2, dtype: float32}}",
        "stages.nerf.guidance.sds.score={type: cfg, scale: 4}",
        "stages.nerf.guidance.sds.objective={type: sds, timesteps: {shared: true}}",
        f"stages.nerf.cameras={json.dumps(cameras)}",
        f"stages.nerf.data={{type: image, path: {picture}, size: 16}}",
        "stages.nerf.steps=2",
        "stages.nerf.loop.log_every=1",
        "~stages.export",
    ]
    rows = logged(run_folder("run", "dreamfusion", "prompt=a mug", *words))
    assert all(row["loss/sds"] > 0 and row["gradient_norm"] > 0 for row in rows)
