"""A stage hands its picture to the prior that continues it; the page's examples run."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from command_line import logged, run_folder
from maquette.config import load_method
from maquette.config.parts import DataSpec, PriorSpec, check
from maquette.errors import ConfigError
from project import examples
from zero123_layouts import save_checkpoint, save_folder, tiny_state


@pytest.fixture
def words(tiny_run, tmp_path) -> list[str]:
    """Overrides that put a tiny Zero123 in the place of the text prior."""
    model = save_folder(tmp_path / "model", latent=False)
    return [
        *(word for word in tiny_run if not word.startswith("prior.")),
        f"stages.nerf.guidance.sds.prior={{type: zero123, path: {model}, dtype: float32}}",
        "stages.nerf.guidance.sds.score={type: cfg, scale: 3}",
        "stages.nerf.steps=2",
    ]


def write_picture(path: Path) -> Path:
    rgba = np.zeros((24, 24, 4), dtype=np.uint8)
    rgba[6:18, 6:18] = (200, 30, 30, 255)
    Image.fromarray(rgba).save(path)
    return path


def test_a_stage_with_a_picture_is_guided_by_it(words, tmp_path):
    data = f"stages.nerf.data={{type: image, path: {write_picture(tmp_path / 'thing_rgba.png')}, size: 16}}"
    log = "stages.nerf.loop.log_every=1"
    rows = logged(run_folder("run", "dreamfusion", "prompt=a mug", *words, data, log, "~stages.export"))
    assert all(row["loss/sds"] > 0 and row["gradient_norm"] > 0 for row in rows)


def test_a_stage_without_one_is_refused_before_anything_loads(words):
    with pytest.raises(ConfigError, match=r"'sds': prior 'zero123' continues a picture, but the stage has no 'data'"):
        load_method("dreamfusion", ["prompt=a mug", *words])


def test_scores_that_need_view_words_are_refused(words):
    with pytest.raises(ConfigError, match=r"score 'perp-neg' needs .* which prior 'zero123' does not give"):
        load_method("dreamfusion", ["prompt=a mug", *words, "stages.nerf.guidance.sds.score=perp-neg"])


def test_the_examples_of_the_page_are_valid(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_picture(tmp_path / "teddy_rgba.png")
    (tmp_path / "FOLDER").mkdir()
    (tmp_path / "zero123-xl.ckpt").touch()
    for text in examples("zero123", "yaml"):
        found = yaml.safe_load(text)
        if "data" in found:
            check(DataSpec, found["data"], "data", lambda key: None)
        prior = found.get("prior") or found.get("guidance", {}).get("sds", {}).get("prior")
        if prior:
            check(PriorSpec, prior, "prior", lambda key: None)


def test_the_python_examples_of_the_page_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_checkpoint(tmp_path / "zero123-xl.ckpt", tiny_state())
    names: dict = {}
    exec("\n".join(examples("zero123", "python")), names)
    assert names["told"]["positive"].token.shape == (2, 1, 768)
    found = names["prior"].predict(names["noisy"], torch.tensor([200, 800]), names["told"], names["cameras"])
    assert found["positive"].shape == (2, 4, 32, 32)
