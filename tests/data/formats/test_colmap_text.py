"""COLMAP's text models give upright, centred sets, whatever world the reconstruction came out in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from balls import OPENCV_FROM_OPENGL, POINTS, draw, orbit
from balls import misplacement as misplaced
from scipy.spatial.transform import Rotation

from maquette.data.formats import Reading, load_posed_images
from maquette.errors import ConfigError

TURNS = tuple(range(15, 375, 40))
PINHOLE = "1 PINHOLE 96 64 100.0 110.0 45.0 35.5"
LEVEL = Rotation.identity()
TILTED = Rotation.from_euler("xyz", (70, -40, 115), degrees=True)


def write(
    folder: Path, camera: str = PINHOLE, turn: Rotation = LEVEL, scale: float = 1.0, model: str = ""
) -> np.ndarray:
    """A ring of cameras at elevation 25 around dots, in a turned, scaled and moved world; where the dots are there."""

    def moved(points: np.ndarray) -> np.ndarray:
        return scale * turn.apply(points) + (5.0, -2.0, 1.0)

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


def test_models_that_distort_are_refused_by_name(tmp_path):
    write(tmp_path)
    (tmp_path / "cameras.txt").write_text("# Camera list\n1 SIMPLE_RADIAL 96 64 100 48 32 0.02\n")
    with pytest.raises(ConfigError, match=r"'SIMPLE_RADIAL'.*cameras\.txt:2\).*colmap image_undistorter"):
        load_posed_images(tmp_path)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("cameras.txt", "100.0 110.0", "100.0", r"expected WIDTH HEIGHT FX FY CX CY \(.*cameras\.txt:2\)"),
        ("cameras.txt", "96 64", "192 128", r"image 9: the picture is 96 x 64, its camera 192 x 128"),
        ("images.txt", " 1 008.png", " 7 008.png", r"expected a camera of cameras\.txt .*images\.txt:2\)"),
        ("images.txt", "\n9 ", "\nnine x ", r"expected IMAGE_ID QW .*images\.txt:2\)"),
        ("images.txt", "008.png", "gone.png", r"image 9: there is no picture .*images/gone\.png"),
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


def test_a_binary_model_says_how_to_write_text(tmp_path):
    (tmp_path / "sparse/0").mkdir(parents=True)
    (tmp_path / "sparse/0/images.bin").touch()
    with pytest.raises(ConfigError, match="colmap model_converter --output_type TXT"):
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
