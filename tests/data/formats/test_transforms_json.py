"""NeRF-synthetic's, instant-NGP's and nerfstudio's files give cameras that project points to where they are seen."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from balls import draw, misplacement, orbit, turn_by_exif
from PIL import Image
from transforms import FIELD, SHIFTED, rewrite, write_captured, write_synthetic

from maquette.data.formats import PosedImages, Reading, inspect_posed_images, load_posed_images
from maquette.errors import ConfigError


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
        ({"camera_model": "EQUIRECTANGULAR"}, r"camera_model: cameras of the model 'EQUIRECTANGULAR' are not read"),
        ({"k1": -400.0}, r"this lens distorts too much: OPENCV"),
        ({"k1": math.nan}, r"k1: expected a number, got the number nan"),
        ({"fl_x": 0}, r"fl_x is 0 .*give camera_angle_x or fl_x"),
        ({"w": 192}, r"w: the picture is 96 x 64, its camera 192 x 64"),
        ({"fl_y": "long"}, r"fl_y: expected a number, got the text 'long'"),
        ({"fl_x": -3.0, "fl_y": 3.0, "k1": 0.1}, r"has this Pinhole\(focal_x=-3"),
        ({"fl_x": -3.0, "fl_y": 3.0}, r"has this Pinhole\(focal_x=-3"),
    ],
)
def test_lenses_that_cannot_be_are_refused_by_key(tmp_path, lens, message):
    write_captured(tmp_path)
    data = json.loads((tmp_path / "transforms.json").read_text())
    (tmp_path / "transforms.json").write_text(json.dumps({**data, **lens}))
    with pytest.raises(ConfigError, match=message):
        load_posed_images(tmp_path)


def test_a_model_of_one_frame_is_named_with_it(tmp_path):
    write_captured(tmp_path)
    with pytest.raises(ConfigError, match=r"frames\.3\.camera_model: cameras of the model 'VR180_L' are not read"):
        rewrite(tmp_path, lambda data: data["frames"][3].update(camera_model="VR180_L"))


@pytest.mark.parametrize(
    ("keys", "model"),
    [
        ({"k1": -0.2, "p2": 0.01}, "OPENCV"),
        ({"k1": -0.2, "k3": 0.1, "k4": 0.05}, "OPENCV"),
        ({"camera_model": "OPENCV_FISHEYE", "k1": 0.1}, "OPENCV_FISHEYE"),
        ({"is_fisheye": True, "k1": 0.1}, "OPENCV_FISHEYE"),
        ({"camera_model": "SIMPLE_RADIAL", "k1": 0.1}, "OPENCV"),
        ({"camera_model": "FULL_OPENCV", "k4": 0.1}, "FULL_OPENCV"),
        ({"camera_model": "SIMPLE_PINHOLE"}, "PINHOLE"),
    ],
)
def test_distortion_is_taken_out(tmp_path, keys, model):
    write_captured(tmp_path)
    loaded = rewrite(tmp_path, lambda data: data.update(keys))
    assert loaded.facts["camera_models"] == [model] and loaded.facts["cameras"] == 9
    assert ("lens distortion" in loaded.used) == (model != "PINHOLE")


def test_large_distorted_pictures_are_straightened_where_they_are_read_smaller(tmp_path):
    columns, rows = np.meshgrid(np.arange(960) + 0.5, np.arange(720) + 0.5)
    disc = np.hypot(columns - 784, rows - 588) < 30  # where k1 = -0.2 shows the ray (0.4, 0.3)
    Image.fromarray((disc * 255).astype(np.uint8)).save(tmp_path / "disc.png")
    frames = [{"file_path": "disc.png", "transform_matrix": orbit(i * 90, 0, 4).tolist()} for i in range(3)]
    lens = {"fl_x": 800, "cx": 480, "cy": 360, "w": 960, "h": 720, "k1": -0.2}
    (tmp_path / "transforms.json").write_text(json.dumps({**lens, "frames": frames}))
    seen = load_posed_images(tmp_path, Reading(size=36)).picture.color[0, ..., 0].numpy()
    places = np.indices(seen.shape) + 0.5
    middle = (places * seen).sum((1, 2)) / seen.sum()
    assert seen.shape == (36, 48) and middle == pytest.approx([30, 40], abs=0.05)


def test_lenses_that_differ_by_a_pixel_share_a_crop(tmp_path):
    write_captured(tmp_path)
    rng = np.random.default_rng(0)

    def differ(data):
        for frame in data["frames"]:
            lens = {"fl_x": 100 + rng.normal(), "fl_y": 100 + rng.normal()}
            lens |= {"cx": 48 + rng.normal(), "cy": 32 + rng.normal(), "w": 96, "h": 64}
            draw(tmp_path / frame["file_path"], np.array(frame["transform_matrix"]), (lens["fl_x"], lens["fl_y"]),
                 (96, 64), (lens["cx"], lens["cy"]), SHIFTED, mode="RGB")  # fmt: skip
            frame.update(lens)
        return {"frames": data["frames"]}

    loaded = rewrite(tmp_path, differ)
    assert loaded.facts["lenses"] == 9 and misplacement(loaded.value, SHIFTED) < 0.05
    assert 86 < loaded.value.cameras.width < 96 and 56 < loaded.value.cameras.height < 64
    assert misplacement(load_posed_images(tmp_path, Reading(size=40)), SHIFTED) < 0.05


def test_a_mask_is_where_the_picture_counts_and_a_missing_one_is_said(tmp_path):
    write_captured(tmp_path)
    mask = np.zeros((64, 96), np.uint8)
    mask[:, 45:] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")

    def masked(data):
        for frame in data["frames"]:
            frame["mask_path"] = "mask.png"
        data["frames"][2]["mask_path"] = "gone.png"

    loaded = rewrite(tmp_path, masked)
    alpha = loaded.value.picture.alpha
    assert float(alpha[0, :, :45].max()) == 0 and float(alpha[0, :, 45:].min()) == 1 and float(alpha[2].min()) == 1
    assert "masks" in loaded.used and "1 masks are not there: gone.png" in loaded.warnings
    Image.fromarray(mask[:9]).save(tmp_path / "mask.png")
    with pytest.raises(ConfigError, match=r"this mask is 96 x 9 pixels and its picture 96 x 64 .*mask\.png"):
        load_posed_images(tmp_path)


def test_what_is_not_read_is_named(tmp_path):
    write_captured(tmp_path)

    def add(data):
        data.update(aabb_scale=16, applied_transform=[[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]], offset=[0.5, 0.5, 0.5])
        data["frames"][0].update(depth_file_path="depth/0.png", colmap_im_id=3, time=0.5)

    assert rewrite(tmp_path, add).ignored == ("depth maps", "aabb_scale", "offset", "time")


def test_nulls_are_values_that_are_not_there(tmp_path):
    write_captured(tmp_path)

    def nulls(data):
        data.update(train_filenames=None, val_filenames=None, test_filenames=None, k2=None, aabb_scale=None)
        data["frames"][1].update(mask_path=None, fl_x=None, depth_file_path=None)

    loaded = rewrite(tmp_path, nulls)
    assert loaded.facts["cameras"] == 9 and not loaded.ignored and not loaded.warnings
    with pytest.raises(ConfigError, match=r"train_filenames"):
        rewrite(tmp_path, lambda data: data.update(train_filenames="images/frame_00000.jpg.png"))


def test_missing_pictures_are_counted_and_fewer_than_half_is_an_error(tmp_path):
    write_captured(tmp_path)
    (tmp_path / "images/frame_00003.jpg.png").unlink()
    loaded = inspect_posed_images(tmp_path)
    assert loaded.facts["cameras"] == 8
    assert [frame["name"] for frame in loaded.facts["frames_skipped"]] == ["images/frame_00003.jpg.png"]
    for i in range(4, 8):
        (tmp_path / f"images/frame_{i:05}.jpg.png").unlink()
    with pytest.raises(ConfigError, match=r"4 of 9 pictures are there; there is no picture .*frame_00003"):
        load_posed_images(tmp_path)


@pytest.mark.parametrize("where", ["images/{}", "./images/{}", ".\\images\\{}"])
def test_lists_and_frames_may_spell_names_differently(tmp_path, where):
    names = [where.format(f"frame_{i:05}.jpg.png") for i in range(9)]
    write_captured(tmp_path, train_filenames=names[:5], test_filenames=names[5:8])
    loaded = inspect_posed_images(tmp_path)
    assert loaded.facts["splits"] == {"test": 3, "train": 5} and len(loaded.facts["frames_skipped"]) == 1


def test_lists_that_name_none_of_the_frames_are_refused(tmp_path):
    write_captured(tmp_path, train_filenames=["a.png"], test_filenames=[])
    with pytest.raises(ConfigError, match=r"train_filenames, test_filenames: these lists name none of the 9 pictures"):
        load_posed_images(tmp_path)


def test_an_angle_in_degrees_is_read_as_such_and_said(tmp_path):
    write_synthetic(tmp_path, ("train",))
    expected = load_posed_images(tmp_path)
    data = json.loads((tmp_path / "transforms_train.json").read_text())
    data["camera_angle_x"] = math.degrees(data["camera_angle_x"])
    (tmp_path / "transforms_train.json").write_text(json.dumps(data))
    loaded = inspect_posed_images(tmp_path)
    torch.testing.assert_close(loaded.value.cameras.fov_y_deg, expected.cameras.fov_y_deg)
    assert "read as degrees" in loaded.warnings[0]
    for angle, message in ((0, "camera_angle_x is 0"), (-0.5, "is no angle of view"), (200.0, "is no angle of view")):
        (tmp_path / "transforms_train.json").write_text(json.dumps({**data, "camera_angle_x": angle}))
        with pytest.raises(ConfigError, match=f"camera_angle_x: .*{message}"):
            load_posed_images(tmp_path)


def test_an_angle_of_0_beside_focal_lengths_says_nothing(tmp_path):
    write_captured(tmp_path)
    expected = load_posed_images(tmp_path)
    loaded = rewrite(tmp_path, lambda data: data.update(camera_angle_x=0, camera_angle_y=0))
    assert torch.equal(loaded.value.cameras.fov_y_deg, expected.cameras.fov_y_deg) and not loaded.warnings
    other = rewrite(tmp_path, lambda data: data.update(camera_angle_x=1.2))
    assert "fl_x is 100 and camera_angle_x says 70.16; fl_x is used" in other.warnings


def test_a_picture_that_exif_turns_is_turned_where_w_and_h_say_so(tmp_path):
    write_captured(tmp_path)
    expected = load_posed_images(tmp_path)
    turn_by_exif(tmp_path / "images", 6, Image.Transpose.ROTATE_90)
    loaded = inspect_posed_images(tmp_path)
    assert "EXIF orientation" in loaded.used and torch.equal(loaded.value.picture.rgba, expected.picture.rgba)


def test_sparse_points_of_nerfstudio_come_along(tmp_path):
    write_captured(tmp_path, ply_file_path="sparse_pc.ply")
    trimesh.PointCloud(SHIFTED, colors=[[255, 0, 51, 255]] * 3).export(tmp_path / "sparse_pc.ply")
    images = load_posed_images(tmp_path)
    here = torch.from_numpy(SHIFTED).float() @ images.placement[:3, :3].T + images.placement[:3, 3]
    torch.testing.assert_close(images.points.positions, here, atol=1e-5, rtol=0)
    torch.testing.assert_close(images.points.colors[0], torch.tensor([1.0, 0.0, 0.2]))


def test_a_world_that_is_not_upright_is_said(tmp_path):
    write_captured(tmp_path)
    turn = np.array([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])

    def tilt(data):
        for frame in data["frames"]:
            frame["transform_matrix"] = (turn.T @ np.array(frame["transform_matrix"])).tolist()

    loaded = rewrite(tmp_path, tilt)
    assert any("mean up vector is (0.00, 1.00, " in warning for warning in loaded.warnings)


@pytest.mark.parametrize(
    "content",
    [b"\xef\xbb\xbf{}", b"", b"[" * 100_000, b'{"frames": 3}', b'{"frames": [1]}', b'{"frames": [{}]}', b"[1]",
     b'{"frames": [{"file_path": 3}]}',
     b'{"frames": [{"file_path": "images/frame_00000.jpg.png", "transform_matrix": 3}]}',
     b'{"frames": null}', b'{"fl_x": ' + b"9" * 5000 + b"}", b"\xff\xfe", b'{"frames": {"a": 1}}'],
)  # fmt: skip
def test_whatever_the_file_holds_a_refusal_is_one_line(tmp_path, content):
    write_captured(tmp_path)
    (tmp_path / "transforms.json").write_bytes(content)
    with pytest.raises(ConfigError, match=r"transforms\.json") as error:
        load_posed_images(tmp_path)
    assert "\n" not in str(error.value)


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
