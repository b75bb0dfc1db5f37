"""Values of foreign files are typed, or refused by file and key."""

from pathlib import Path

import numpy as np
import pytest
import torch

from maquette.data.formats.parsing import parse_rigid, parse_typed, read_json, read_text, required_value
from maquette.errors import ConfigError

FILE = Path("transforms.json")
POSE = np.array([[0.0, -1, 0, 1], [1, 0, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1]])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_text_is_read_in_each_encoding_with_plain_line_ends(encoding, tmp_path):
    (tmp_path / "a.txt").write_bytes("é\r\nb\rc\n".encode(encoding))
    assert read_text(tmp_path / "a.txt") == "é\nb\nc\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1,\n "b": }', r"not JSON: .*a\.json:2"),
        ("[1]", r"expected an object of keys and values .*a\.json:1"),
        ("[" * 100_000, "not JSON that is read"),
        ("", "not JSON"),
    ],
)
def test_json_that_is_none_is_one_line_with_its_place(text, message, tmp_path):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ConfigError, match=message) as refusal:
        read_json(tmp_path / "a.json")
    assert "\n" not in str(refusal.value)


def test_values_have_their_type_or_are_refused_by_key():
    assert parse_typed(list[float], [1, 2.5], "size", FILE) == [1.0, 2.5]
    for value in ("wide", 10**400):
        with pytest.raises(ConfigError, match=r"frames\.3\.w: .*transforms\.json"):
            parse_typed(float, value, "frames.3.w", FILE)
    assert required_value({"w": None}, "w", "w", FILE) is None
    with pytest.raises(ConfigError, match=r"frames\.0\.w: missing value \(transforms\.json\)"):
        required_value({}, "w", "frames.0.w", FILE)


def test_a_rigid_pose_may_lack_its_last_row():
    for rows in (3, 4):
        torch.testing.assert_close(parse_rigid(POSE[:rows].tolist(), "pose", FILE), torch.from_numpy(POSE))


@pytest.mark.parametrize(
    ("pose", "message"),
    [
        (POSE[:2], "expected 4 rows of 4 finite numbers"),
        (POSE * np.nan, "expected 4 rows of 4 finite numbers"),
        (POSE.T, r"the last row is .*transpose\?"),
        (POSE @ np.diag([2, 2, 2, 1]), "not a rotation: its columns have lengths 2, 2, 2"),
        (POSE @ np.diag([-1, 1, 1, 1]), "not a rotation but a reflection"),
    ],
)
def test_a_pose_that_is_not_rigid_says_why(pose, message):
    with pytest.raises(ConfigError, match=message):
        parse_rigid(pose.tolist(), "frames.0.transform_matrix", FILE)
