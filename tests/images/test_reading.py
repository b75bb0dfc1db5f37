"""Pictures are read from files as they are, or refused with what is wrong."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from maquette.errors import ConfigError
from maquette.images.reading import image_size, read_picture


def test_a_picture_without_alpha_is_opaque(tmp_path):
    Image.fromarray(np.full((2, 3, 3), (255, 51, 0), np.uint8)).save(tmp_path / "photo.png")
    picture = read_picture(tmp_path / "photo.png")
    assert len(picture) == 1 and picture.size == (2, 3) and picture.alpha.min() == 1
    assert torch.equal(picture.color[0, 0, 0], torch.tensor([1.0, 0.2, 0.0]))


def test_color_is_not_multiplied_by_alpha(tmp_path):
    Image.fromarray(np.full((1, 1, 4), (255, 0, 0, 51), np.uint8)).save(tmp_path / "glass.png")
    assert read_picture(tmp_path / "glass.png").rgba.flatten().tolist() == pytest.approx([1, 0, 0, 0.2])


def test_what_is_no_picture_is_refused(tmp_path):
    (tmp_path / "notes.png").write_text("no picture")
    with pytest.raises(ConfigError, match=r"cannot read this as a picture \(.*notes\.png\); save it as PNG"):
        read_picture(tmp_path / "notes.png")
    Image.fromarray(np.zeros((2, 2), np.float32)).save(tmp_path / "deep.tif")
    with pytest.raises(ConfigError, match=r"floating-point numbers are not read .*save it as PNG"):
        read_picture(tmp_path / "deep.tif")


def test_a_damaged_picture_is_named(tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(tmp_path / "half.png")
    whole = (tmp_path / "half.png").read_bytes()
    (tmp_path / "half.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ConfigError, match=r"this picture is damaged: .*half\.png"):
        read_picture(tmp_path / "half.png")


def test_the_size_is_known_without_reading_the_pixels(tmp_path):
    Image.fromarray(np.zeros((2, 3, 3), np.uint8)).save(tmp_path / "wide.png")
    assert image_size(tmp_path / "wide.png", "frames.0.file", tmp_path / "cameras.json") == (3, 2)
    missing = Path(tmp_path / "none.png")
    with pytest.raises(ConfigError, match=re.escape("frames.0.file: there is no picture")):
        image_size(missing, "frames.0.file", tmp_path / "cameras.json")
