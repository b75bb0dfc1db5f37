"""Worlds as PNG: what is written is read back, and what a user may paint wrong gets one line."""

import numpy as np
import pytest
import torch
from PIL import Image

from maquette.errors import ConfigError
from maquette.landscapes import World, WorldConfig
from maquette.landscapes.pictures import read_landscape, write_classes, write_height

CONFIG = WorldConfig(size=64, scale=0.125, tree_scale=0.3, unbounded=True)


@pytest.fixture
def painted(tmp_path):
    scene = World(2, CONFIG).window()
    height, classes = tmp_path / "height.png", tmp_path / "classes.png"
    write_height(height, scene)
    write_classes(classes, scene)
    return scene, height, classes


def test_what_is_written_is_read_back(painted):
    scene, height, classes = painted
    back = read_landscape(height, classes, CONFIG)
    torch.testing.assert_close(back.height, scene.height, rtol=0, atol=1e-4)
    assert (back.classes == scene.classes).float().mean() > 0.995
    assert back.tree_bits.any()


def test_a_map_with_a_palette_is_read_as_one_in_rgb(painted, tmp_path):
    _, height, classes = painted
    indexed = tmp_path / "indexed.png"
    Image.open(classes).convert("P", palette=Image.Palette.ADAPTIVE, colors=16).save(indexed)
    assert torch.equal(read_landscape(height, indexed, CONFIG).classes, read_landscape(height, classes, CONFIG).classes)


def test_another_size_gets_one_line(painted, tmp_path):
    _, height, classes = painted
    other = tmp_path / "other.png"
    Image.open(height).resize((32, 64)).save(other)
    with pytest.raises(ConfigError, match=r"^heightmap: .*other.png is 32 x 64 pixels; this world is 64 x 64$"):
        read_landscape(other, classes, CONFIG)


def test_a_color_of_no_class_gets_one_line_with_its_place_and_the_nearest(painted, tmp_path):
    _, height, classes = painted
    pixels = np.array(Image.open(classes).convert("RGB"))
    pixels[5, 7] = (255, 255, 170)
    wrong = tmp_path / "wrong.png"
    Image.fromarray(pixels).save(wrong)
    with pytest.raises(ConfigError, match=r"#ffffaa at column 7, row 5 of .*; the nearest is #ffffb2, desert; "):
        read_landscape(height, wrong, CONFIG)
