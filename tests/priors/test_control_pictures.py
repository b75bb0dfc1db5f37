"""What a ControlNet is shown, on renderings that are written by hand."""

import pytest
import torch

from maquette.priors.base import ControlInputs
from maquette.priors.text.control_pictures import Canny, canny_picture, depth_picture, normal_picture


def row(*values: tuple[float, ...]) -> torch.Tensor:
    """A picture of one row, [1, 1, W, C]."""
    return torch.tensor(values)[None, None]


def inputs(**entries: torch.Tensor) -> ControlInputs:
    height, width = next(iter(entries.values())).shape[1:3] if entries else (1, 1)
    ones = torch.ones(1, height, width, 1)
    return ControlInputs(**{"rgb": torch.zeros(1, height, width, 3), "opacity": ones, "depth": ones, **entries})


def test_near_is_white_and_nothing_is_black():
    found = depth_picture(inputs(opacity=row((1.0,), (1.0,), (0.0,)), depth=row((2.0,), (4.0,), (0.0,))))
    torch.testing.assert_close(found, row((1.0,) * 3, (0.5,) * 3, (0.0,) * 3))


def test_a_picture_without_emptiness_goes_from_its_farthest_to_its_nearest():
    found = depth_picture(inputs(opacity=row((1.0,), (1.0,)), depth=row((2.0,), (4.0,))))
    torch.testing.assert_close(found[..., :1], row((1.0,), (0.0,)))
    assert depth_picture(inputs()).isfinite().all()


def test_a_normal_to_the_left_is_red_one_upwards_green_and_one_to_the_viewer_blue():
    normal = row((-1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.0, 0.0, 0.0))
    found = normal_picture(inputs(normal=normal, opacity=row((1.0,), (1.0,), (1.0,), (0.0,))))
    wanted = row((1.0, 0.5, 0.5), (0.5, 1.0, 0.5), (0.5, 0.5, 1.0), (0.5, 0.5, 1.0))
    torch.testing.assert_close(found, wanted)


def test_edges_are_where_the_colour_changes():
    rgb = torch.zeros(1, 16, 16, 3)
    rgb[:, :, 8:] = 1.0
    found = canny_picture(inputs(rgb=rgb), Canny())
    assert found.shape == rgb.shape and set(found.unique().tolist()) == {0.0, 1.0}
    columns = found[0, 4:12, :, 0].amax(0).nonzero().flatten()
    assert set(columns.tolist()) <= {7, 8} and len(columns)
    assert not canny_picture(inputs(rgb=rgb), Canny(low=9.0, high=9.0)).any()


def test_thresholds_the_wrong_way_round_are_refused():
    with pytest.raises(ValueError, match=r"low \(0.5\) lies above high \(0.1\)"):
        Canny(low=0.5, high=0.1)
