"""The lens of a frame, from its own keys over those of its file."""

import math
from pathlib import Path

import pytest

from maquette.data.formats.transforms_lens import FrameLens
from maquette.errors import ConfigError

SIZE = (200, 100)


def frame(entry: dict, shared: dict | None = None) -> FrameLens:
    return FrameLens(entry, shared or {}, "frames.0", Path("transforms.json"))


@pytest.mark.parametrize(
    ("entry", "focals"),
    [
        ({"camera_angle_x": math.pi / 2}, (100, 100)),
        ({"camera_angle_x": 90.0}, (100, 100)),  # no angle of view is 90 radians
        ({"camera_angle_x": math.pi / 2, "camera_angle_y": math.pi / 2}, (100, 50)),
        ({"camera_angle_y": math.pi / 2}, (50, 50)),
        ({"fl_x": 120, "camera_angle_x": 1.0}, (120, 120)),
        ({"fl_x": 120, "fl_y": 130}, (120, 130)),
        ({"fl_y": 130}, (130, 130)),
    ],
)
def test_focal_lengths_are_given_outright_or_by_angles(entry, focals):
    pinhole = frame(entry).lens(SIZE).pinhole
    assert (pinhole.focal_x, pinhole.focal_y) == pytest.approx(focals)
    assert (pinhole.center_x, pinhole.center_y) == (100, 50)


def test_a_frames_own_keys_win_over_the_files():
    lens = frame({"cx": 90}, {"fl_x": 120, "cx": 80, "cy": 40}).lens(SIZE)
    assert (lens.pinhole.center_x, lens.pinhole.center_y) == (90, 40)


@pytest.mark.parametrize(
    ("entry", "model", "distortion"),
    [
        ({}, "PINHOLE", ()),
        ({"k1": 0.0}, "PINHOLE", ()),
        ({"k1": 0.1, "p2": 0.2, "k3": 0.3}, "OPENCV", (0.1, 0, 0, 0.2, 0.3, 0)),
        ({"k1": 0.1, "k6": 0.2}, "FULL_OPENCV", (0.1, 0, 0, 0, 0, 0, 0, 0.2)),
        ({"k1": 0.1, "is_fisheye": True}, "OPENCV_FISHEYE", (0.1, 0, 0, 0)),
        ({"k1": 0.1, "camera_model": "RADIAL_FISHEYE"}, "OPENCV_FISHEYE", (0.1, 0, 0, 0)),
        ({"camera_model": "perspective"}, "PINHOLE", ()),
    ],
)
def test_the_model_follows_from_its_name_and_its_coefficients(entry, model, distortion):
    lens = frame({"fl_x": 100, **entry}).lens(SIZE)
    assert (lens.model, lens.distortion) == (model, distortion)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({}, r"frames\.0: there is no angle of view"),
        ({"fl_x": 0}, r"frames\.0\.fl_x: fl_x is 0"),
        ({"camera_angle_x": -1}, r"frames\.0\.camera_angle_x: -1 is no angle of view"),
        ({"fl_x": math.inf}, r"frames\.0\.fl_x: expected a number, got the number inf"),
        ({"fl_x": 100, "w": 400}, r"frames\.0\.w: the picture is 200 x 100, not 400"),
        ({"fl_x": 100, "camera_model": "EQUIRECTANGULAR"}, r"frames\.0\.camera_model: cameras of the model"),
    ],
)
def test_a_lens_that_cannot_be_is_refused_by_key(entry, message):
    with pytest.raises(ConfigError, match=message):
        frame(entry).lens(SIZE)


def test_what_is_odd_about_a_lens_is_said():
    assert frame({"camera_angle_x": 1.0, "fl_x": 183.0, "w": 200}).warnings() == []
    (degrees,) = frame({"camera_angle_x": 50.0}).warnings()
    assert degrees.startswith("camera_angle_x is 50, and read as degrees")
    (contrary,) = frame({"camera_angle_x": 1.0, "fl_x": 300.0, "w": 200}).warnings()
    assert contrary == "fl_x is 300 and camera_angle_x says 183; fl_x is used"
