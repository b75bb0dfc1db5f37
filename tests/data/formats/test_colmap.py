"""COLMAP's models give upright, centred sets, whatever world the reconstruction came out in."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from balls import OPENCV_FROM_OPENGL, POINTS, draw, orbit, turn_by_exif
from balls import misplacement as misplaced
from PIL import Image
from scipy.ndimage import map_coordinates
from scipy.spatial.transform import Rotation

from maquette.data.formats import Reading, inspect_posed_images, load_posed_images
from maquette.errors import ConfigError
from maquette.files import allowing
from maquette.images.lenses import Lens

TURNS = tuple(range(15, 375, 40))
PINHOLE = "1 PINHOLE 96 64 100.0 110.0 45.0 35.5"
LEVEL = Rotation.identity()
TILTED = Rotation.from_euler("xyz", (70, -40, 115), degrees=True)


def write(
    folder: Path, camera: str = PINHOLE, turn: Rotation = LEVEL, scale: float = 1.0, model: str = "",
    offset: tuple[float, ...] = (5.0, -2.0, 1.0),
) -> np.ndarray:  # fmt: skip
    """A ring of cameras at elevation 25 around dots, in a turned, scaled and moved world; where the dots are there."""

    def moved(points: np.ndarray) -> np.ndarray:
        return scale * turn.apply(points) + offset

    parameters = [float(word) for word in camera.split()[4:]]
    focal = (parameters[0], parameters[-3])
    images: list[str] = []
    for i, azimuth in enumerate(TURNS):
        c2w = orbit(azimuth, 25, 2.5)
        draw(folder / "images" / f"{i:03}.png", c2w, focal, (96, 64), tuple(parameters[-2:]))
        c2w[:3, :3] = turn.as_matrix() @ c2w[:3, :3]
        c2w[:3, 3] = moved(c2w[:3, 3])
        w2c = OPENCV_FROM_OPENGL @ np.linalg.inv(c2w)
        x, y, z, w = Rotation.from_matrix(w2c[:3, :3]).as_quat()
        numbers = " ".join(f"{number:.12g}" for number in (w, x, y, z, *w2c[:3, 3]))
        points = "10.5 20.25 -1" if i % 2 else ""
        images = [f"{i + 1} {numbers} 1 {i:03}.png", points, *images]  # COLMAP keeps no order either
    (folder / model).mkdir(parents=True, exist_ok=True)
    (folder / model / "cameras.txt").write_text(f"# Camera list\n{camera}\n")
    (folder / model / "images.txt").write_text("\n".join(["# Two lines per image", *images]) + "\n")
    dots = moved(POINTS)
    lines = [f"{i} {x} {y} {z} 255 0 51 0.5" for i, (x, y, z) in enumerate(dots)]
    (folder / model / "points3D.txt").write_text("\n".join(["# 3D point list", *lines]) + "\n")
    return dots


def test_dots_are_where_the_cameras_project_them(tmp_path):
    dots = write(tmp_path)
    images = load_posed_images(tmp_path)
    assert misplaced(images, dots) < 0.05
    assert images.names[0] == "000.png" and images.split.count("test") == 2  # of nine, the first and the last


@pytest.mark.parametrize("model", ["sparse/0", "sparse", ""])
def test_the_model_lies_where_the_tools_leave_it(tmp_path, model):
    dots = write(tmp_path, model=model)
    assert misplaced(load_posed_images(tmp_path), dots) < 0.05


def test_simple_pinholes_have_one_focal_length(tmp_path):
    dots = write(tmp_path, "1 SIMPLE_PINHOLE 96 64 105.0 48.0 32.0")
    images = load_posed_images(tmp_path)
    assert misplaced(images, dots) < 0.05 and images.picture.color.shape == (9, 64, 96, 3)


@pytest.mark.parametrize(("turn", "scale"), [(LEVEL, 1.0), (TILTED, 0.07)])
def test_whatever_the_reconstruction_the_set_is_upright_centred_and_3_2_away(tmp_path, turn, scale):
    dots = write(tmp_path, turn=turn, scale=scale)
    images = load_posed_images(tmp_path)
    assert misplaced(images, dots) < 0.05
    steps = torch.tensor([float(azimuth - TURNS[0]) for azimuth in TURNS])
    around = (images.cameras.azimuth_deg - steps + 180) % 360 - 180  # the first picture by name is the front
    torch.testing.assert_close(around, torch.zeros(9), atol=1e-3, rtol=0)
    torch.testing.assert_close(images.cameras.elevation_deg, torch.full((9,), 25.0), atol=1e-3, rtol=0)
    torch.testing.assert_close(images.cameras.distance, torch.full((9,), 3.2), atol=1e-4, rtol=0)


@pytest.mark.parametrize(("scale", "offset"), [(12.0, (5e5, 5.2e6, 300.0)), (1.0, (4.1e6, 1.2e6, 4.7e6))])
def test_coordinates_of_the_earth_lose_no_poses(tmp_path, scale, offset):
    write(tmp_path, scale=scale, offset=offset)
    cameras = load_posed_images(tmp_path).cameras
    torch.testing.assert_close(cameras.elevation_deg, torch.full((9,), 25.0), atol=1e-3, rtol=0)
    torch.testing.assert_close(cameras.distance, torch.full((9,), 3.2), atol=1e-4, rtol=0)


def test_points_come_along(tmp_path):
    dots = write(tmp_path, turn=TILTED, scale=0.5)
    images = load_posed_images(tmp_path)
    here = torch.from_numpy(dots).float() @ images.placement[:3, :3].T + images.placement[:3, 3]
    torch.testing.assert_close(images.points.positions, here, atol=1e-5, rtol=0)
    torch.testing.assert_close(images.points.colors, torch.tensor([[1.0, 0.0, 0.2]]).expand(3, 3))
    (tmp_path / "points3D.txt").unlink()
    assert load_posed_images(tmp_path).points is None


def test_centre_and_scale_can_be_given(tmp_path):
    dots = write(tmp_path)
    images = load_posed_images(tmp_path, Reading(scale=0.25, center=(5.0, -2.0, 1.0), size=32))
    assert misplaced(images, dots) < 0.05
    torch.testing.assert_close(images.cameras.distance, torch.full((9,), 2.5 / 4), atol=1e-5, rtol=0)


def test_a_colmap_model_with_cameras_of_another_kind_is_refused_by_name(tmp_path):
    write(tmp_path)
    (tmp_path / "cameras.txt").write_text("# Camera list\n1 SPHERICAL 96 64 100 48 32 0.02\n")
    with pytest.raises(ConfigError, match=r"'SPHERICAL' are not read.*cameras\.txt:2\).*colmap image_undistorter"):
        load_posed_images(tmp_path)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("cameras.txt", "100.0 110.0", "100.0", r"expected WIDTH HEIGHT FX FY CX CY \(.*cameras\.txt:2\)"),
        ("cameras.txt", "96 64", "192 128", r"image 9: the picture is 96 x 64, its camera 192 x 128"),
        ("images.txt", " 1 008.png", " 7 008.png", r"image 9: '008.png' is of camera 7, .*cameras\.txt does not"),
        ("images.txt", "\n9 ", "\nnine x ", r"expected IMAGE_ID QW .*images\.txt:2\)"),
        ("images.txt", " 1 008.png", " 008.png", r"expected IMAGE_ID QW .*images\.txt:2\)"),
        ("images.txt", "\n9 ", "\n9 0 0 0 0 0 0 0 1 a.png\n\n9 ", r"a rotation of length 0 .*images\.txt:2\)"),
        ("points3D.txt", "255 0 51", "red", r"expected POINT3D_ID X Y Z R G B .*points3D\.txt:2\)"),
    ],
)
def test_malformed_lines_are_named(tmp_path, file, old, new, message):
    write(tmp_path)
    text = (tmp_path / file).read_text()
    assert old in text
    (tmp_path / file).write_text(text.replace(old, new))
    with pytest.raises(ConfigError, match=message):
        load_posed_images(tmp_path)


def test_a_model_without_cameras_is_refused(tmp_path):
    write(tmp_path)
    (tmp_path / "cameras.txt").unlink()
    with pytest.raises(ConfigError, match=r"cannot read this file: .*cameras\.txt"):
        load_posed_images(tmp_path)


def test_parallel_cameras_ask_for_a_centre(tmp_path):
    write(tmp_path)
    lines = [f"{i} 1 0 0 0 {i} 0 0 1 {i:03}.png\n" for i in range(4)]
    (tmp_path / "images.txt").write_text("\n".join(lines))
    with pytest.raises(ConfigError, match=r"center: the cameras look in parallel"):
        load_posed_images(tmp_path)


def to_binary(folder: Path) -> None:
    """Rewrite a text model of PINHOLE cameras in binary, by the description of the format."""
    rows = [line.split() for line in (folder / "cameras.txt").read_text().splitlines() if line[:1] != "#"]
    data = struct.pack("<Q", len(rows))
    for row in rows:
        data += struct.pack("<IiQQ", int(row[0]), 1, int(row[2]), int(row[3])) + struct.pack(
            "<4d", *map(float, row[4:])
        )
    (folder / "cameras.bin").write_bytes(data)
    lines = (folder / "images.txt").read_text().splitlines()[1:]
    data = struct.pack("<Q", len(lines) // 2)
    for line in lines[::2]:
        number, *pose, camera, name = line.split()
        data += struct.pack("<I7dI", int(number), *map(float, pose), int(camera)) + name.encode() + b"\0"
        data += struct.pack("<Q", 2) + struct.pack("<ddQ", 1.0, 2.0, 2**64 - 1) * 2
    (folder / "images.bin").write_bytes(data)
    rows = [line.split() for line in (folder / "points3D.txt").read_text().splitlines() if line[:1] != "#"]
    data = struct.pack("<Q", len(rows))
    for row in rows:
        data += struct.pack("<Q3d", int(row[0]), *map(float, row[1:4])) + bytes(map(int, row[4:7]))
        data += struct.pack("<dQ", 0.5, 1) + struct.pack("<II", 1, 0)
    (folder / "points3D.bin").write_bytes(data)
    for name in ("cameras", "images", "points3D"):
        (folder / f"{name}.txt").unlink()


def test_colmap_binary_is_read_as_colmap_text_is(tmp_path):
    write(tmp_path, turn=TILTED)
    text = load_posed_images(tmp_path)
    to_binary(tmp_path)
    binary = inspect_posed_images(tmp_path)
    assert binary.format == "colmap-binary" and binary.value.names == text.names
    torch.testing.assert_close(binary.value.cameras.c2w, text.cameras.c2w)
    torch.testing.assert_close(binary.value.points.positions, text.points.positions)
    assert torch.equal(binary.value.points.colors, text.points.colors)


@pytest.mark.parametrize("name", ["cameras.bin", "images.bin", "points3D.bin"])
def test_a_binary_file_cut_off_anywhere_is_one_line(tmp_path, name):
    write(tmp_path)
    to_binary(tmp_path)
    data = (tmp_path / name).read_bytes()
    for length in (0, 4, 8, 11, 30, len(data) - 1):
        (tmp_path / name).write_bytes(data[:length])
        with pytest.raises(ConfigError, match=rf"ends within its entries, at byte {length} .*{name}\)"):
            load_posed_images(tmp_path)
    (tmp_path / name).write_bytes(b"\xff" * 8 + data[8:])  # a number of entries that cannot be
    with pytest.raises(ConfigError, match=name):
        load_posed_images(tmp_path)


def change(file: Path, how) -> None:
    data = how(file.read_bytes())
    file.write_bytes(data)


@pytest.mark.parametrize(
    "how",
    [
        lambda data: b"\xef\xbb\xbf" + data,
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: data.replace(b"\n", b"\r"),
        lambda data: data.replace(b"\n", b"  \t\n") + b"\n\n \n",
        lambda data: data.decode().encode("utf-16"),
        lambda data: b"\n".join(line for line in data.split(b"\n") if len(line.split()) > 3 or line[:1] == b"#"),
    ],
    ids=["bom", "crlf", "cr", "trailing blanks", "utf-16", "no empty lines"],
)
def test_however_the_lines_end_every_picture_is_read(tmp_path, how):
    write(tmp_path)
    expected = load_posed_images(tmp_path)
    for name in ("cameras.txt", "images.txt", "points3D.txt"):
        change(tmp_path / name, how)
    images = load_posed_images(tmp_path)
    assert images.names == expected.names and torch.equal(images.cameras.c2w, expected.cameras.c2w)


def test_missing_lines_of_points_are_said_and_eat_no_picture(tmp_path):
    write(tmp_path)
    text = (tmp_path / "images.txt").read_text().replace("10.5 20.25 -1\n", "")
    (tmp_path / "images.txt").write_text(text)  # those of every second picture; those of the others are empty
    loaded = inspect_posed_images(tmp_path)
    assert loaded.facts["cameras"] == 9 and "no line of 2D points after 4 of its 9 pictures" in loaded.warnings[0]


@pytest.mark.parametrize(
    ("model", "pictures"),
    [
        ("sparse/0", "images"), ("sparse", "images"), ("colmap/sparse/0", "images"), ("dense/sparse", "dense/images"),
        ("dense/0/sparse", "dense/0/images"), ("dense/sparse/0", "dense/images"), ("colmap/sparse/0", "colmap/images"),
        ("0", "images"), ("sparse/1", "input"), ("distorted/sparse/0", "input"), ("colmap", "images"), ("", ""),
    ],
)  # fmt: skip
def test_models_are_where_tools_leave_them(tmp_path, model, pictures):
    write(tmp_path, model=model)
    if pictures != "images":
        (tmp_path / pictures).mkdir(parents=True, exist_ok=True)
        for file in list((tmp_path / "images").iterdir()):
            file.rename(tmp_path / pictures / file.name)
        (tmp_path / "images").rmdir()
    assert len(load_posed_images(tmp_path)) == 9


def test_of_several_models_the_largest_is_read_and_said(tmp_path):
    write(tmp_path, model="sparse/1")
    (tmp_path / "sparse/0").mkdir()
    for name in ("cameras.txt", "images.txt"):
        text = (tmp_path / "sparse/1" / name).read_text().split("\n")
        (tmp_path / "sparse/0" / name).write_text("\n".join(text[:5]))
    loaded = inspect_posed_images(tmp_path)
    assert loaded.facts["cameras"] == 9
    assert loaded.warnings == ("there are 2 models: 1, the largest, is read, and 0 has 2 pictures",)


def test_cameras_without_pictures_and_pictures_without_files_are_counted_and_named(tmp_path):
    write(tmp_path)
    (tmp_path / "images/004.png").unlink()
    with (tmp_path / "cameras.txt").open("a") as file:
        file.write("7 PINHOLE 10 10 5 5 5 5\n")
    loaded = inspect_posed_images(tmp_path)
    assert loaded.facts["cameras"] == loaded.facts["frames_used"] == 8
    assert [frame["name"] for frame in loaded.facts["frames_skipped"]] == ["004.png"]
    assert "there is no picture" in loaded.facts["frames_skipped"][0]["reason"]
    assert "1 of 2 cameras have no picture: 7" in loaded.warnings[0]
    assert "1 of 9 pictures are skipped: '004.png': there is no picture" in loaded.warnings[1]


def test_fewer_than_half_of_the_pictures_is_an_error(tmp_path):
    write(tmp_path)
    for i in range(5):
        (tmp_path / f"images/{i:03}.png").unlink()
    with pytest.raises(ConfigError, match=r"4 of 9 pictures are there; there is no picture .*images/.*images\.txt"):
        load_posed_images(tmp_path)


def test_distorted_pictures_are_straightened(tmp_path):
    """Dots drawn by OpenCV's model are where a pinhole projects them, once read."""
    write(tmp_path, "1 SIMPLE_PINHOLE 96 64 105.0 48.0 32.0")
    (tmp_path / "cameras.txt").write_text("1 SIMPLE_RADIAL 96 64 105.0 48.0 32.0 -0.3\n")
    lens = Lens.of_colmap("SIMPLE_RADIAL", 96, 64, (105.0, 48.0, 32.0, -0.3))
    inverse = torch.tensor(bend_pictures(tmp_path / "images", lens))
    loaded = inspect_posed_images(tmp_path)
    assert loaded.facts["camera_models"] == ["SIMPLE_RADIAL"] and "lens distortion" in loaded.used
    assert loaded.facts["intrinsics"]["k1"] == -0.3 and inverse.isfinite().all()
    assert misplaced(loaded.value, placed_dots()) < 0.15


def placed_dots() -> np.ndarray:
    return POINTS + np.array([5.0, -2.0, 1.0])


def bend_pictures(folder: Path, lens: Lens) -> float:
    """Resample straight pictures as a lens sees them; scipy solves where each pixel looks."""
    columns, rows = np.meshgrid(np.arange(96) + 0.5, np.arange(64) + 0.5)
    x = (columns - 48) / 105
    y = (rows - 32) / 105
    for _ in range(50):  # r_u = r_d / (1 - 0.3 r_u^2), by iteration
        factor = 1 - 0.3 * (x * x + y * y)
        x, y = (columns - 48) / 105 / factor, (rows - 32) / 105 / factor
    u, v = lens.project(torch.from_numpy(x), torch.from_numpy(y))
    assert np.allclose(u, columns, atol=1e-6) and np.allclose(v, rows, atol=1e-6)
    for file in folder.iterdir():
        rgba = np.asarray(Image.open(file)).astype(float)
        places = [y * 105 + 32 - 0.5, x * 105 + 48 - 0.5]
        bent = [map_coordinates(rgba[..., c] * (rgba[..., 3] / 255 if c < 3 else 1), places, order=1) for c in range(4)]
        alpha = np.maximum(bent[3], 1e-9) / 255
        pixels = np.stack([*(np.clip(c / alpha, 0, 255) for c in bent[:3]), bent[3]], -1)
        Image.fromarray((pixels + 0.5).astype(np.uint8)).save(file)
    return float(x.max())


def test_a_picture_that_exif_turns_is_turned_where_the_camera_says_so(tmp_path):
    write(tmp_path)
    expected = load_posed_images(tmp_path)
    turn_by_exif(tmp_path / "images", 6, Image.Transpose.ROTATE_90)
    loaded = inspect_posed_images(tmp_path)
    assert "EXIF orientation" in loaded.used and torch.equal(loaded.value.picture.rgba, expected.picture.rgba)


def test_a_picture_that_exif_turns_stays_as_stored_where_its_size_fits(tmp_path):
    write(tmp_path)
    expected = load_posed_images(tmp_path)
    turn_by_exif(tmp_path / "images", 3)
    loaded = inspect_posed_images(tmp_path)
    assert torch.equal(loaded.value.picture.rgba, expected.picture.rgba)
    assert loaded.ignored == ("EXIF orientation 3 (9 pictures, such as 000.png)",)


def test_names_that_leave_the_folder_are_refused(tmp_path):
    folder = tmp_path / "set"
    write(folder, model="sparse/0")
    secret = tmp_path / "secret.png"
    (folder / "images/000.png").rename(secret)
    listed = (folder / "sparse/0/images.txt").read_text()
    for name in ("../../secret.png", "../secret.png", "images/../../secret.png"):
        (folder / "sparse/0/images.txt").write_text(listed.replace("000.png", name))
        with pytest.raises(ConfigError, match=r"leads out of the folder .*--allow"):
            load_posed_images(folder)
    (folder / "sparse/0/images.txt").write_text(listed)
    (folder / "images/000.png").symlink_to(secret)
    with pytest.raises(ConfigError, match=r"image 1: '000\.png' leads out of the folder"):
        load_posed_images(folder)
    with allowing([tmp_path]):
        assert len(load_posed_images(folder)) == 9
    (folder / "images").rename(tmp_path / "elsewhere")
    (folder / "images").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="leads out of the folder"):
        load_posed_images(folder)


def test_what_was_read_is_accounted_for_in_json_and_in_one_line(tmp_path, caplog):
    write(tmp_path)
    (tmp_path / "images/004.png").unlink()
    caplog.set_level("INFO", "maquette")
    load_posed_images(tmp_path)
    line = next(record.getMessage() for record in caplog.records if record.levelname == "INFO")
    assert "colmap-text, 8 cameras (PINHOLE), 1 skipped, positions from (" in line and line.endswith(
        "up (0.00, 0.00, 1.00)"
    )
    account = json.loads(json.dumps(inspect_posed_images(tmp_path).account()))
    assert (account["kind"], account["format"], account["used"]) == ("posed-images", "colmap-text", ["sparse points"])
    assert account["intrinsics"] == {
        "model": "PINHOLE", "w": 96, "h": 64, "fl_x": 100.0, "fl_y": 110.0, "cx": 45.0, "cy": 35.5,
    }  # fmt: skip
    assert account["splits"] == {"test": 1, "train": 7} and account["points"] == 3 and account["lenses"] == 1
    low, high = np.array(account["bounds"])
    assert (high - low)[:2] == pytest.approx([5.8, 5.8], abs=0.4) and np.linalg.norm(account["up"]) == pytest.approx(1)


def test_pictures_of_the_same_names_elsewhere_are_not_taken(tmp_path):
    """Undistorted pictures that are missing are missing, though the originals lie above."""
    write(tmp_path, model="dense/0/sparse")
    (tmp_path / "dense/0/images").mkdir()
    for i in range(8):
        (tmp_path / f"dense/0/images/{i:03}.png").write_bytes((tmp_path / f"images/{i:03}.png").read_bytes())
    loaded = inspect_posed_images(tmp_path)
    assert [frame["name"] for frame in loaded.facts["frames_skipped"]] == ["008.png"]


@pytest.mark.parametrize("model", ["sparse/0", ""])
def test_a_model_that_is_a_link_stays_in_the_folder(tmp_path, model):
    folder = tmp_path / "set"
    write(folder, model=model)
    listed, elsewhere = folder / model / "images.txt", tmp_path / "images.txt"
    listed.rename(elsewhere)
    listed.symlink_to(elsewhere)
    with pytest.raises(ConfigError, match=r"this link leads out of the folder .*images\.txt.*--allow"):
        load_posed_images(folder)
    with allowing([tmp_path]):
        assert len(load_posed_images(folder)) == 9
    elsewhere.rename(folder / "listed.txt")
    listed.unlink()
    listed.symlink_to(folder / "listed.txt")
    assert len(load_posed_images(folder)) == 9
