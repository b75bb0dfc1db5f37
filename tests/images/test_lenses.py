"""Lenses of every model project as COLMAP and OpenCV define, and their pictures are straightened."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from maquette.images.lenses import MODELS, Lens, undistort, undistorted_pinhole
from maquette.images.picture import Picture
from maquette.images.resampling import Pinhole

PLACES = torch.tensor([[0.0, 0.0], [0.4, 0.3], [-0.2, 0.5], [0.3, -0.1], [-0.45, -0.35]], dtype=torch.float64)
PARAMETERS = {
    "SIMPLE_PINHOLE": (80.0, 48.0, 36.0),
    "PINHOLE": (80.0, 82.0, 48.0, 36.0),
    "SIMPLE_RADIAL": (80.0, 48.0, 36.0, -0.2),
    "RADIAL": (80.0, 48.0, 36.0, -0.2, 0.05),
    "OPENCV": (80.0, 82.0, 48.0, 36.0, -0.2, 0.05, 0.01, -0.02),
    "OPENCV_FISHEYE": (80.0, 82.0, 48.0, 36.0, 0.1, -0.05, 0.02, -0.01),
    "FULL_OPENCV": (80.0, 82.0, 48.0, 36.0, -0.2, 0.05, 0.01, -0.02, 0.03, 0.1, 0.02, -0.01),
    "FOV": (80.0, 82.0, 48.0, 36.0, 0.8),
    "SIMPLE_RADIAL_FISHEYE": (80.0, 48.0, 36.0, 0.1),
    "RADIAL_FISHEYE": (80.0, 48.0, 36.0, 0.1, -0.05),
    "THIN_PRISM_FISHEYE": (80.0, 82.0, 48.0, 36.0, 0.1, -0.05, 0.01, -0.02, 0.02, -0.01, 0.03, 0.04),
    "RAD_TAN_THIN_PRISM_FISHEYE": (
        80.0, 82.0, 48.0, 36.0, 0.1, -0.05, 0.02, -0.01, 0.003, 0.002, 0.01, -0.02, 0.03, 0.04, 0.01, -0.02,
    ),
    "SIMPLE_DIVISION": (80.0, 48.0, 36.0, -0.2),
    "DIVISION": (80.0, 82.0, 48.0, 36.0, 0.1),
    "SIMPLE_FISHEYE": (80.0, 48.0, 36.0),
    "FISHEYE": (80.0, 82.0, 48.0, 36.0),
    "EUCM": (80.0, 82.0, 48.0, 36.0, 0.6, 1.1),
}  # fmt: skip
"""Model -> parameters in COLMAP's order."""
EXPECTED = {
    "SIMPLE_PINHOLE": [
        [48.0000, 36.0000], [80.0000, 60.0000], [32.0000, 76.0000], [72.0000, 28.0000], [12.0000, 8.0000],
    ],
    "PINHOLE": [
        [48.0000, 36.0000], [80.0000, 60.6000], [32.0000, 77.0000], [72.0000, 27.8000], [12.0000, 7.3000],
    ],
    "SIMPLE_RADIAL": [
        [48.0000, 36.0000], [78.4000, 58.8000], [32.9280, 73.6800], [71.5200, 28.1600], [14.3400, 9.8200],
    ],
    "RADIAL": [
        [48.0000, 36.0000], [78.5000, 58.8750], [32.8607, 73.8482], [71.5320, 28.1560], [14.1498, 9.6721],
    ],
    "OPENCV": [
        [48.0000, 36.0000], [77.7800, 59.4058], [32.1087, 75.7702], [71.0360, 28.1567], [13.2338, 8.9647],
    ],
    "OPENCV_FISHEYE": [
        [48.0000, 36.0000], [78.2480, 59.2531], [33.0049, 74.4248], [71.4530, 27.9868], [14.5092, 9.3004],
    ],
    "FULL_OPENCV": [
        [48.0000, 36.0000], [77.0189, 58.8208], [32.5445, 74.6533], [70.7993, 28.2375], [14.3196, 9.8303],
    ],
    "FOV": [
        [48.0000, 36.0000], [80.0000, 60.6000], [32.1303, 76.6660], [72.7876, 27.5308], [12.5429, 7.7328],
    ],
    "SIMPLE_RADIAL_FISHEYE": [
        [48.0000, 36.0000], [78.3113, 58.7335], [32.9649, 73.5875], [71.4628, 28.1790], [14.4023, 9.8684],
    ],
    "RADIAL_FISHEYE": [
        [48.0000, 36.0000], [78.2427, 58.6820], [33.0086, 73.4783], [71.4526, 28.1824], [14.5202, 9.9601],
    ],
    "THIN_PRISM_FISHEYE": [
        [48.0000, 36.0000], [78.1448, 59.9230], [32.9578, 76.0463], [71.2128, 28.4791], [14.3969, 10.1403],
    ],
    "RAD_TAN_THIN_PRISM_FISHEYE": [
        [48.0000, 36.0000], [79.0081, 58.9002], [34.3648, 73.2454], [72.0169, 27.8153], [15.5065, 8.8157],
    ],
    "SIMPLE_DIVISION": [
        [48.0000, 36.0000], [78.5424, 58.9068], [32.8337, 73.9155], [71.5382, 28.1539], [14.0776, 9.6159],
    ],
    "DIVISION": [
        [48.0000, 36.0000], [80.8426, 61.2478], [31.5069, 78.2634], [72.2449, 27.7163], [10.7471, 6.3011],
    ],
    "SIMPLE_FISHEYE": [
        [48.0000, 36.0000], [77.6734, 58.2550], [33.3231, 72.6922], [71.2448, 28.2517], [15.2807, 10.5516],
    ],
    "FISHEYE": [
        [48.0000, 36.0000], [77.6734, 58.8114], [33.3231, 73.6095], [71.2448, 28.0580], [15.2807, 9.9154],
    ],
    "EUCM": [
        [48.0000, 36.0000], [77.6985, 58.8307], [33.3087, 73.6462], [71.2526, 28.0553], [15.2450, 9.8870],
    ],
}  # fmt: skip
"""Model -> pixel positions of `PLACES` by pycolmap 4.2.1."""


@pytest.mark.parametrize("model", MODELS)
def test_points_are_projected_as_by_pycolmap(model):
    lens = Lens.of_colmap(model, 96, 72, PARAMETERS[model])
    u, v = lens.project(*PLACES.T)
    expected = torch.tensor(EXPECTED[model], dtype=torch.float64)
    torch.testing.assert_close(torch.stack([u, v], dim=1), expected, atol=2e-4, rtol=0)


def test_models_without_effect_do_not_distort():
    for model, distortion in (("OPENCV", (0.0,) * 4), ("PINHOLE", ()), ("FOV", (0.0,)), ("EUCM", (0.0, 1.0))):
        assert not Lens(Pinhole.centred(80.0, (96, 72)), model, distortion).distorts
    assert Lens(Pinhole.centred(80.0, (96, 72)), "FISHEYE").distorts


def disc(lens: Lens, x: float, y: float) -> Picture:
    """A white disc of 3 pixels where the ray (x, y, 1) falls."""
    u, v = (float(place) for place in lens.project(torch.tensor(x), torch.tensor(y)))
    columns, rows = np.meshgrid(np.arange(lens.pinhole.width) + 0.5, np.arange(lens.pinhole.height) + 0.5)
    cover = np.clip(3.5 - np.hypot(columns - u, rows - v), 0, 1)
    return Picture.opaque(torch.from_numpy(cover).float()[None, ..., None].expand(1, -1, -1, 3))


def middle(picture: Picture) -> tuple[float, float]:
    weight = picture.color[0, ..., 0].double().numpy()
    rows, columns = np.indices(weight.shape) + 0.5
    return float((columns * weight).sum() / weight.sum()), float((rows * weight).sum() / weight.sum())


@pytest.mark.parametrize("model", MODELS)
def test_straightened_pictures_show_rays_where_a_pinhole_does(model):
    lens = Lens.of_colmap(model, 96, 72, PARAMETERS[model])
    pinhole = undistorted_pinhole(lens)
    straight = undistort(disc(lens, 0.2, 0.15), lens, pinhole)
    assert straight.size == (pinhole.height, pinhole.width) and straight.alpha.min() == 1
    expected = 0.2 * pinhole.focal_x + pinhole.center_x, 0.15 * pinhole.focal_y + pinhole.center_y
    assert middle(straight) == pytest.approx(expected, abs=0.1)


def test_a_lens_that_bends_inward_keeps_the_size_of_its_picture():
    lens = Lens(Pinhole(80, 80, 48, 36, 96, 72), "OPENCV", (-0.2, 0, 0, 0))
    assert undistorted_pinhole(lens) == lens.pinhole
    assert middle(undistort(disc(lens, 0.4, 0.3), lens, lens.pinhole)) == pytest.approx((80, 60), abs=0.1)


def test_a_lens_that_bends_outward_is_cropped_to_what_it_saw():
    lens = Lens(Pinhole(80, 80, 48, 36, 96, 72), "SIMPLE_RADIAL", (0.2,))
    pinhole = undistorted_pinhole(lens)
    assert 80 < pinhole.width < 96 and pinhole.center_x == pinhole.width / 2
    corner = pinhole.width / 2 / 80, pinhole.height / 2 / 80
    u, v = lens.project(torch.tensor(corner[0]), torch.tensor(corner[1]))
    assert float(u) == pytest.approx(96, abs=1.5) or float(v) == pytest.approx(72, abs=1.5)


def test_a_lens_that_folds_its_picture_is_cropped_before_the_fold():
    lens = Lens(Pinhole(20, 20, 48, 36, 96, 72), "SIMPLE_RADIAL", (-0.2,))  # r (1 - 0.2 r^2) turns back at 1.29
    pinhole = undistorted_pinhole(lens)
    assert math.hypot(pinhole.width, pinhole.height) / 2 / 20 < 1.33
    with pytest.raises(ValueError, match="distorts too much: SIMPLE_RADIAL"):
        undistorted_pinhole(Lens(Pinhole(20, 20, 48, 36, 96, 72), "SIMPLE_RADIAL", (-40.0,)))
