"""The examples of docs/multiview.md are read as the page says."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from maquette.data.formats import load_posed_images
from project import page

PAGE = page("multiview")


def example(heading: str, language: str, number: int = 0) -> str:
    """A code block of the section under a heading."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)[number]


def pictures(folder: Path, *names: str, size: tuple[int, int] = (64, 48)) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((size[1], size[0], 4), 200, np.uint8)).save(folder / name)


def test_our_format(tmp_path):
    (tmp_path / "cameras.json").write_text(example("Our format", "json"))
    pictures(tmp_path, "front.png", "side.png")
    images = load_posed_images(tmp_path)
    assert images.split == ("train", "test")
    torch.testing.assert_close(images.cameras.fov_y_deg, torch.tensor([35.0, 40.0]))
    torch.testing.assert_close(images.cameras.azimuth_deg, torch.tensor([0.0, 90.0]))
    torch.testing.assert_close(images.cameras.distance, torch.tensor([3.2, 3.2]))


def test_nerf_synthetic(tmp_path):
    (tmp_path / "transforms_train.json").write_text(example("NeRF-synthetic", "json"))
    (tmp_path / "transforms_test.json").write_text(example("NeRF-synthetic", "json"))
    pictures(tmp_path, "train/r_0.png", size=(64, 64))
    images = load_posed_images(tmp_path)
    assert images.split == ("train", "test")
    assert float(images.cameras.fov_y_deg[0]) == pytest.approx(39.6, abs=0.01)
    assert float(images.cameras.distance[0]) == pytest.approx(4.03 * 2 / 3)


def test_instant_ngp_and_nerfstudio(tmp_path):
    (tmp_path / "transforms.json").write_text(example("instant-NGP and nerfstudio", "json"))
    pictures(tmp_path, "images/frame_1.png", "images/frame_2.png")
    images = load_posed_images(tmp_path)
    assert images.split == ("test", "train") and images.picture.color.shape == (2, 48, 62, 3)
    torch.testing.assert_close(images.cameras.elevation_deg, torch.zeros(2))  # both look level at height 1, now 0
    torch.testing.assert_close(images.cameras.distance, torch.tensor([3.2, 3.2]))


def test_colmap(tmp_path):
    (tmp_path / "cameras.txt").write_text(example("COLMAP", "text", 0))
    (tmp_path / "images.txt").write_text(example("COLMAP", "text", 1))
    pictures(tmp_path, "images/front.png", "images/side.png")
    images = load_posed_images(tmp_path)
    assert images.names == ("front.png", "side.png") and images.picture.color.shape == (2, 48, 64, 3)
    torch.testing.assert_close(images.cameras.azimuth_deg, torch.tensor([0.0, 90.0]), atol=1e-4, rtol=0)
    torch.testing.assert_close(images.cameras.elevation_deg, torch.zeros(2), atol=1e-4, rtol=0)
    torch.testing.assert_close(images.cameras.distance, torch.tensor([3.2, 3.2]))


def test_the_python_examples_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = example("Test sets from the nano world", "python").replace("views=48", "views=3")
    names: dict = {}
    exec(made, names)
    exec(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0], names)
    assert names["train"].picture.color.shape == (3, 32, 32, 3) and torch.equal(names["images"].placement, torch.eye(4))
