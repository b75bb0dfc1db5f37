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
    with pytest.raises(
        ConfigError, match=r"^heightmap: .*other.png is 32 x 64 pixels; this world is 64 x 64; scale it"
    ):
        read_landscape(other, classes, CONFIG)


@pytest.mark.parametrize(("change", "message"), [
    (lambda grey: grey.astype(np.int32) * 9, "has numbers beyond 16 bits"),
    (lambda grey: grey.astype(np.float32), "has numbers beyond 16 bits"),
    (lambda grey: np.dstack([np.uint8(grey >> 8)] * 3 + [np.full_like(grey, 99, np.uint8)]), "are transparent"),
])  # fmt: skip
def test_heights_that_cannot_be_meant_are_refused(painted, tmp_path, change, message):
    _, height, classes = painted
    other = tmp_path / "other.tiff"
    Image.fromarray(change(np.array(Image.open(height)))).save(other)
    with pytest.raises(ConfigError, match=f"^heightmap: .*{message}.*; save it"):
        read_landscape(other, classes, CONFIG)


def test_a_damaged_picture_is_named_with_its_key(painted, tmp_path):
    _, height, classes = painted
    (tmp_path / "cut.png").write_bytes(height.read_bytes()[:-400])
    with pytest.raises(ConfigError, match=r"^heightmap: .*cut.png is damaged"):
        read_landscape(tmp_path / "cut.png", classes, CONFIG)


def test_water_above_the_sea_and_land_below_it_are_said(painted, tmp_path, caplog):
    _, _, classes = painted
    raised = tmp_path / "raised.png"
    Image.fromarray(np.full((64, 64), 40_000, np.uint16)).save(raised)
    read_landscape(raised, classes, CONFIG)
    assert "painted as water lie above the sea" in caplog.text and "below the sea" not in caplog.text


def test_a_color_of_no_class_gets_one_line_with_its_place_and_the_nearest(painted, tmp_path):
    _, height, classes = painted
    pixels = np.array(Image.open(classes).convert("RGB"))
    pixels[5, 7] = (255, 255, 170)
    wrong = tmp_path / "wrong.png"
    Image.fromarray(pixels).save(wrong)
    with pytest.raises(ConfigError, match=r"#ffffaa at column 7, row 5 of .*; the nearest is #ffffb2, desert; "):
        read_landscape(height, wrong, CONFIG)
