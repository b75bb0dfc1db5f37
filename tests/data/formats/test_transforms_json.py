"""NeRF-synthetic's, instant-NGP's and nerfstudio's files give cameras that project points to where they are seen."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from balls import POINTS, draw, misplacement, orbit

from maquette.data.formats import PosedImages, Reading, load_posed_images
from maquette.errors import ConfigError

TURNS = (10, 100, 190, 280)
FIELD = 1.5 * POINTS  # NeRF-synthetic's objects reach to 1.5


def write_synthetic(folder: Path, splits: tuple[str, ...] = ("train", "val", "test"), width: int = 96) -> None:
    """A NeRF-synthetic scene, four pictures of 96 x 64 to a split, paths without suffix."""
    for split in splits:
        frames = []
        for i, turn in enumerate(TURNS):
            c2w = orbit(turn + 7 * len(split), 30, 4.03)
            draw(folder / split / f"r_{i}.png", c2w, (110.0, 110.0), (width, 64), points=FIELD)
            frames.append({"file_path": f"./{split}/r_{i}", "rotation": 0.01, "transform_matrix": c2w.tolist()})
        data = {"camera_angle_x": 2 * math.atan(width / 2 / 110), "frames": frames}
        (folder / f"transforms_{split}.json").write_text(json.dumps(data))


LENS = {"fl_x": 100.0, "fl_y": 110.0, "cx": 45.0, "cy": 35.5, "w": 96, "h": 64, "k1": 0.0, "camera_model": "OPENCV"}


def write_captured(folder: Path, lens: dict | None = None, turns: int = 9, **more: object) -> None:
    """A capture by nerfstudio's tools: opaque, with oblong pixels and an off-centre lens, in a shifted world."""
    lens = {**LENS, **(lens or {})}
    frames = []
    for i in range(turns):
        c2w = orbit(20 + 360 / turns * i, 25, 2.0)
        c2w[:3, 3] += (3.0, -1.0, 0.5)
        place = folder / "images" / f"frame_{i:05}.jpg.png"
        draw(place, c2w, (lens["fl_x"], lens["fl_y"]), (96, 64), (lens["cx"], lens["cy"]), SHIFTED, mode="RGB")
        frames.append({"file_path": f"images/{place.name}", "transform_matrix": c2w.tolist()})
    (folder / "transforms.json").write_text(json.dumps({**lens, **more, "frames": frames}))


SHIFTED = 0.6 * POINTS + (3.0, -1.0, 0.5)


def test_the_synthetic_angle_is_horizontal_and_objects_come_into_our_cube(tmp_path):
    write_synthetic(tmp_path)
    images = load_posed_images(tmp_path)
    assert images.split == ("train",) * 4 + ("val",) * 4 + ("test",) * 4
    assert images.names[0] == "./train/r_0"
    torch.testing.assert_close(images.cameras.fov_y_deg, torch.full((12,), math.degrees(2 * math.atan(32 / 110))))
    torch.testing.assert_close(images.cameras.distance, torch.full((12,), 4.03 * 2 / 3))
    assert misplacement(images, FIELD) < 0.05


def test_scale_and_centre_can_be_given(tmp_path):
    write_synthetic(tmp_path, ("train",))
    images = load_posed_images(tmp_path, Reading(scale=0.5, center=(0.0, 0.0, 0.2)))
    assert misplacement(images, FIELD) < 0.05
    torch.testing.assert_close(images.placement @ torch.tensor([1.0, 0, 0.2, 1]), torch.tensor([0.5, 0, 0, 1]))


def test_a_single_file_holds_out_every_eighth_picture(tmp_path):
    write_captured(tmp_path, turns=9)
    assert load_posed_images(tmp_path).select("test").names == (
        "images/frame_00000.jpg.png",
        "images/frame_00008.jpg.png",
    )


def test_a_single_file_can_name_the_splits(tmp_path):
    names = [f"images/frame_{i:05}.jpg.png" for i in range(9)]
    write_captured(tmp_path, train_filenames=names[:5], test_filenames=names[5:8])
    images = load_posed_images(tmp_path)
    assert len(images.select("train")) == 5 and len(images.select("test")) == 3 and len(images) == 8


def captured(folder: Path, reading: Reading | None = None) -> PosedImages:
    write_captured(folder)
    return load_posed_images(folder, reading)


def test_any_pinhole_becomes_centred_with_square_pixels(tmp_path):
    images = captured(tmp_path)
    assert misplacement(images, SHIFTED) < 0.05
    # 2 x 45 columns and 2 x 28.5 rows lie about the principal point; rows are averaged to the columns' focal length
    assert (images.cameras.width, images.cameras.height) == (90, int(57 * 100 / 110))
    assert images.picture.alpha.min() == 1


def test_a_captured_world_is_centred_where_the_cameras_look_and_scaled_to_their_distance(tmp_path):
    images = captured(tmp_path)
    torch.testing.assert_close(images.cameras.distance, torch.full((9,), 3.2), rtol=1e-4, atol=0)
    nearest_point_to_axes = images.placement @ torch.tensor([3.0, -1.0, 0.5, 1.0])
    torch.testing.assert_close(nearest_point_to_axes, torch.tensor([0.0, 0.0, 0.0, 1.0]), atol=1e-5, rtol=0)


def test_a_captured_world_can_be_read_smaller(tmp_path):
    images = captured(tmp_path, Reading(size=40))
    assert images.cameras.height == 40 and misplacement(images, SHIFTED) < 0.05


def test_lenses_may_differ_from_frame_to_frame(tmp_path):
    write_synthetic(tmp_path, ("train",))
    data = json.loads((tmp_path / "transforms_train.json").read_text())
    c2w = np.array(data["frames"][2]["transform_matrix"])
    draw(tmp_path / "train/r_2.png", c2w, (90.0, 90.0), (96, 64), points=FIELD)
    data["frames"][2]["camera_angle_x"] = 2 * math.atan(48 / 90)
    (tmp_path / "transforms_train.json").write_text(json.dumps(data))
    assert misplacement(load_posed_images(tmp_path), FIELD) < 0.05


@pytest.mark.parametrize(
    ("lens", "message"),
    [
        ({"k1": 0.03}, r"k1: this lens distorts \(.*transforms\.json\); undistort the pictures first"),
        ({"p2": -1e-4}, r"p2: this lens distorts"),
        ({"camera_model": "OPENCV_FISHEYE"}, r"camera_model: 'OPENCV_FISHEYE' is not a pinhole"),
        ({"w": 192}, r"w: the picture is 96 x 64, not 192"),
        ({"fl_y": "long"}, r"fl_y: expected a number, got the text 'long'"),
        ({"fl_x": -3.0, "fl_y": 3.0}, r"has this Pinhole\(focal_x=-3"),
    ],
)
def test_lenses_that_are_no_pinholes_are_refused_by_key(tmp_path, lens, message):
    write_captured(tmp_path)
    data = json.loads((tmp_path / "transforms.json").read_text())
    (tmp_path / "transforms.json").write_text(json.dumps({**data, **lens}))
    with pytest.raises(ConfigError, match=message):
        load_posed_images(tmp_path)


def test_distortion_of_one_frame_is_named_with_it(tmp_path):
    write_captured(tmp_path)
    data = json.loads((tmp_path / "transforms.json").read_text())
    data["frames"][3]["k2"] = 0.1
    (tmp_path / "transforms.json").write_text(json.dumps(data))
    with pytest.raises(ConfigError, match=r"frames\.3\.k2: this lens distorts"):
        load_posed_images(tmp_path)


@pytest.mark.parametrize("name", ["file_path", "transform_matrix"])
def test_missing_entries_are_named(tmp_path, name):
    write_synthetic(tmp_path, ("train",))
    data = json.loads((tmp_path / "transforms_train.json").read_text())
    del data["frames"][1][name]
    (tmp_path / "transforms_train.json").write_text(json.dumps(data))
    with pytest.raises(ConfigError, match=rf"frames\.1\.{name}: missing value \(.*transforms_train\.json\)"):
        load_posed_images(tmp_path)


def test_a_file_without_an_angle_of_view_or_frames_is_refused(tmp_path):
    write_synthetic(tmp_path, ("train",))
    data = json.loads((tmp_path / "transforms_train.json").read_text())
    (tmp_path / "transforms_train.json").write_text(json.dumps({"frames": data["frames"]}))
    with pytest.raises(ConfigError, match="give camera_angle_x or fl_x"):
        load_posed_images(tmp_path)
    (tmp_path / "transforms_train.json").write_text(json.dumps({**data, "frames": []}))
    with pytest.raises(ConfigError, match="names no pictures"):
        load_posed_images(tmp_path)


def test_cameras_that_look_outward_ask_for_a_centre(tmp_path):
    write_captured(tmp_path)
    data = json.loads((tmp_path / "transforms.json").read_text())
    for frame in data["frames"]:
        c2w = np.array(frame["transform_matrix"])
        c2w[:3, 0] *= -1
        c2w[:3, 2] *= -1
        frame["transform_matrix"] = c2w.tolist()
    (tmp_path / "transforms.json").write_text(json.dumps(data))
    with pytest.raises(ConfigError, match=r"center: the cameras look outward.*give center=\[x, y, z\]"):
        load_posed_images(tmp_path)
