"""Points as text: three numbers a line, or six with colours."""

from pathlib import Path

import pytest

from maquette.errors import ConfigError
from maquette.meshes.formats.source import Source
from maquette.meshes.formats.xyz import read_xyz


def read(folder: Path, text: str):
    path = folder / "cloud.xyz"
    path.write_text(text)
    source = Source(path, "path")
    return read_xyz(source), source


@pytest.mark.parametrize("text", ["1 2 3\n4 5 6\n", "2\n1 2 3\n4 5 6", "# x y z\n1,2,3 # first\n\n4;5;6\n"])
def test_points_are_read_past_counts_comments_and_separators(text, tmp_path):
    (points,) = read(tmp_path, text)[0].points
    assert points.positions.tolist() == [[1, 2, 3], [4, 5, 6]] and points.colors is None


def test_six_numbers_are_a_colour_or_a_normal(tmp_path):
    content, source = read(tmp_path, "0 0 0 255 0 51\n")
    assert content.points[0].colors.tolist() == [[1.0, 0.0, 0.2]] and source.used == ["vertex colors"]
    content, source = read(tmp_path, "0 0 0 -1 0 0\n")
    assert content.points[0].colors is None and source.ignored == ["normals"]


def test_the_intensity_of_a_laser_scan_is_left_out_and_said(tmp_path):
    content, source = read(tmp_path, "1 2 3 900 255 0 0\n")
    assert content.points[0].colors.tolist() == [[1, 0, 0]] and source.ignored == ["intensities"]


def test_what_is_no_point_is_refused_by_its_line(tmp_path):
    with pytest.raises(ConfigError, match=r"fewer than three numbers .*cloud\.xyz:2"):
        read(tmp_path, "1 2 3\n4 5\n")
    with pytest.raises(ConfigError, match="a point is not 3 numbers"):
        read(tmp_path, "1 2 x\n")
    assert read(tmp_path, "")[0].points == []
