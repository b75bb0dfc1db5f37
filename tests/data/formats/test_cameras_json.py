"""Our own format reads back what it writes, and says what is wrong with what others wrote."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from balls import POINTS, draw, misplacement, orbit
from PIL import Image

from maquette.cameras import orbit_cameras
from maquette.data.formats import PosedImages, Reading, inspect_posed_images, load_posed_images, save_posed_images
from maquette.errors import ConfigError
from maquette.images.picture import Picture

FOV_Y_DEG, FOCAL = 40.0, 87.91  # 32 / tan(20 degrees), for pictures of 64 rows


def write(folder: Path, **changes: object) -> dict:
    """A set of two pictures of dots; `changes` replace entries of its second frame."""
    frames = []
    for i, (azimuth, split) in enumerate(((20, "train"), (110, "test"))):
        c2w = orbit(azimuth, 25, 3.2)
        draw(folder / f"{i}.png", c2w, (FOCAL, FOCAL), (64, 64))
        frames.append({"file": f"{i}.png", "split": split, "c2w": c2w.tolist()})
    frames[1] = {name: value for name, value in {**frames[1], **changes}.items() if value is not None}
    data = {"format": "maquette-posed-images", "version": 1, "fov_y_deg": FOV_Y_DEG, "frames": frames}
    (folder / "cameras.json").write_text(json.dumps(data, indent=1))
    return data


def test_dots_are_where_the_cameras_project_them(tmp_path):
    write(tmp_path)
    images = load_posed_images(tmp_path)
    assert images.split == ("train", "test") and images.names == ("0", "1")
    torch.testing.assert_close(images.cameras.azimuth_deg, torch.tensor([20.0, 110.0]))
    assert misplacement(images) < 0.05


def test_a_set_is_read_as_it_was_written_up_to_8_bits(tmp_path):
    turns = torch.tensor([0.0, 45.0, 200.0])
    cameras = orbit_cameras(turns, turns / 4, 3 + turns / 100, 30 + turns / 10, 9)
    levels = torch.randint(0, 256, (3, 9, 9, 4), generator=torch.Generator().manual_seed(0))
    placement = torch.eye(4) * torch.tensor([2.0, 2.0, 2.0, 1.0])
    picture = Picture.from_rgba(levels / 255)
    written = PosedImages(picture, cameras, ("train", "val", "test"), ("a", "b/c", "d"), placement)
    save_posed_images(tmp_path, written)
    read = load_posed_images(tmp_path)
    assert torch.equal(read.picture.rgba, written.picture.rgba)
    assert (read.split, read.names) == (written.split, written.names)
    for name in ("c2w", "fov_y_deg", "light"):
        assert torch.equal(getattr(read.cameras, name), getattr(cameras, name))
    assert torch.equal(read.placement, placement)
    save_posed_images(tmp_path / "again", read)
    assert (tmp_path / "again" / "cameras.json").read_text() == (tmp_path / "cameras.json").read_text()


def test_scale_and_centre_move_cameras_and_points_alike(tmp_path):
    write(tmp_path)
    images = load_posed_images(tmp_path, Reading(scale=0.5, center=(0.1, -0.2, 0.3)))
    position = torch.from_numpy(orbit(20, 25, 3.2)[:3, 3]).float()
    torch.testing.assert_close(images.cameras.c2w[0, :3, 3], 0.5 * (position - torch.tensor([0.1, -0.2, 0.3])))
    assert misplacement(images, POINTS) < 0.05


def test_pictures_can_be_read_smaller(tmp_path):
    write(tmp_path)
    images = load_posed_images(tmp_path, Reading(size=32))
    assert images.picture.color.shape == (2, 32, 32, 3) and misplacement(images) < 0.05
    torch.testing.assert_close(images.picture.rgba, load_posed_images(tmp_path).resized(32).picture.rgba)


def test_every_eighth_picture_tests_where_the_file_names_no_split(tmp_path):
    c2w = orbit(20, 25, 3.2)
    draw(tmp_path / "a.png", c2w, (FOCAL, FOCAL), (64, 64))
    frames = [{"file": "a.png", "name": f"{i:02}", "c2w": c2w.tolist()} for i in reversed(range(17))]
    data = {"format": "maquette-posed-images", "version": 1, "fov_y_deg": FOV_Y_DEG, "frames": frames}
    (tmp_path / "cameras.json").write_text(json.dumps(data))
    assert load_posed_images(tmp_path).select("test").names == ("16", "08", "00")
    assert set(load_posed_images(tmp_path, Reading(hold_out=0)).split) == {"train"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"file": "gone.png"}, r"frames\.1\.file: there is no picture .*gone\.png \(.*cameras\.json\)"),
        ({"c2w": [[1, 2], [3, 4]]}, r"frames\.1\.c2w: expected 4 rows of 4 finite numbers"),
        ({"c2w": None}, r"frames\.1\.c2w: missing value"),
        ({"spilt": "test"}, r"frames\.1\.spilt: unknown key .*did you mean 'split'"),
        ({"split": "eval"}, r"frames\.1\.split: expected 'train', 'val' or 'test'"),
        ({"fov_y_deg": 190}, r"frames\.1\.fov_y_deg: .* between 0 and 180"),
        ({"c2w": (2 * torch.eye(4)).tolist()}, r"frames\.1\.c2w: the last row is \[0.0, 0.0, 0.0, 2.0\]"),
        (
            {"c2w": torch.diag(torch.tensor([2.0, 2, 2, 1])).tolist()},
            r"frames\.1\.c2w: not a rotation: .*lengths 2, 2, 2",
        ),
        ({"c2w": torch.diag(torch.tensor([1.0, 1, -1, 1])).tolist()}, r"frames\.1\.c2w: .*a reflection"),
    ],
)
def test_what_is_wrong_with_a_frame_is_named_by_key_and_file(tmp_path, changes, message):
    write(tmp_path, **changes)
    with pytest.raises(ConfigError, match=message):
        load_posed_images(tmp_path)


def test_malformed_json_is_named_by_line(tmp_path):
    (tmp_path / "cameras.json").write_text('{"format": "maquette-posed-images",\n "version": 1,\n "frames": [}\n')
    with pytest.raises(ConfigError, match=r"not JSON: .*cameras\.json:3"):
        load_posed_images(tmp_path)


def test_another_version_is_refused(tmp_path):
    data = write(tmp_path)
    (tmp_path / "cameras.json").write_text(json.dumps({**data, "version": 2}))
    with pytest.raises(ConfigError, match=r"version: expected 1, got 2"):
        load_posed_images(tmp_path)


def test_a_set_without_training_pictures_is_refused(tmp_path):
    data = write(tmp_path)
    (tmp_path / "cameras.json").write_text(json.dumps({**data, "frames": data["frames"][1:]}))
    with pytest.raises(ConfigError, match="none of the 1 pictures is for training"):
        load_posed_images(tmp_path)


def test_pictures_of_different_sizes_are_brought_to_that_of_the_smallest(tmp_path):
    write(tmp_path)
    draw(tmp_path / "1.png", orbit(110, 25, 3.2), (2 * FOCAL, 2 * FOCAL), (128, 128))
    images = load_posed_images(tmp_path)
    assert images.picture.size == (64, 64) and misplacement(images) < 0.05
    torch.testing.assert_close(images.cameras.fov_y_deg, torch.tensor([FOV_Y_DEG, FOV_Y_DEG]), atol=1e-3, rtol=0)


def test_upright_and_level_pictures_are_cropped_to_one_shape_and_it_is_said(tmp_path):
    write(tmp_path)
    for i, size in enumerate(((128, 64), (64, 128))):
        draw(tmp_path / f"{i}.png", orbit(20 + 90 * i, 25, 3.2), (size[1] / 64 * FOCAL,) * 2, size)
    loaded = inspect_posed_images(tmp_path)
    assert loaded.value.picture.size == (64, 64)
    half_fov = math.degrees(math.atan(math.tan(math.radians(FOV_Y_DEG / 2)) / 2))  # of the upright one's 128 rows
    torch.testing.assert_close(loaded.value.cameras.fov_y_deg, torch.tensor([FOV_Y_DEG, 2 * half_fov]))
    assert "cropped to 64 x 64; of some only 50% of a side is left" in loaded.warnings[0]


def test_pictures_smaller_than_asked_for_are_refused(tmp_path):
    write(tmp_path)
    with pytest.raises(ConfigError, match=r"64 rows.* give a size of at most that, not 65 \(.*0\.png\)"):
        load_posed_images(tmp_path, Reading(size=65))


def test_a_file_that_is_no_picture_is_named(tmp_path):
    write(tmp_path)
    (tmp_path / "1.png").write_text("not a picture")
    with pytest.raises(ConfigError, match=r"frames\.1\.file: cannot read this picture"):
        load_posed_images(tmp_path)


def test_pictures_of_16_bits_keep_their_levels(tmp_path):
    write(tmp_path)
    Image.fromarray(np.full((64, 64), 40_000, np.uint16)).save(tmp_path / "1.png")
    color = load_posed_images(tmp_path).picture.color
    torch.testing.assert_close(color[1], torch.full((64, 64, 3), 40_000 / 65535))


def test_loading_tells_a_missing_folder_and_an_unknown_layout_apart(tmp_path):
    with pytest.raises(ConfigError, match="no such folder"):
        load_posed_images(tmp_path / "gone")
    with pytest.raises(ConfigError, match=r"none of cameras\.json, transforms_train\.json, .*images\.txt"):
        load_posed_images(tmp_path)


def test_a_placement_that_is_no_matrix_is_refused(tmp_path):
    data = write(tmp_path)
    for placement in ([[1, 0], [0, 1]], [[1, 0, 0, 0], [1], [0], [0]], [[math.nan] * 4] * 4):
        (tmp_path / "cameras.json").write_text(json.dumps({**data, "placement": placement}))
        with pytest.raises(
            ConfigError, match=r"placement\S*: expected (4 rows of 4 finite numbers|a number, got the number nan)"
        ):
            load_posed_images(tmp_path)


def test_the_cameras_of_a_splatting_program_are_another_format(tmp_path):
    (tmp_path / "cameras.json").write_text('[{"id": 0, "img_name": "a", "width": 8, "height": 8}]')
    with pytest.raises(ConfigError, match="no posed images in"):
        load_posed_images(tmp_path)


def test_a_camera_beyond_what_single_precision_holds_is_named(tmp_path):
    content = write(tmp_path)
    content["frames"][1]["c2w"][2][3] = 1e308
    (tmp_path / "cameras.json").write_text(json.dumps(content))
    with pytest.raises(ConfigError, match=r"the camera of .* stands 1e\+308 from the origin"):
        load_posed_images(tmp_path, Reading())
