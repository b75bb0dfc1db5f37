"""The six cameras of Zero123++ stand where its authors say."""

import pytest
import torch

from maquette.cameras.six_views import FOV_Y_DEG, six_cameras


@pytest.mark.parametrize(("layout", "above", "below"), [("v1.1", 30, -20), ("v1.2", 20, -10)])
def test_cameras_stand_every_60_degrees_from_30_on_above_and_below_by_turns(layout, above, below):
    cameras = six_cameras(layout, azimuth_deg=15.0, distance=4.0, size=8)
    assert cameras.azimuth_deg.tolist() == [45, 105, 165, 225, 285, 345]
    assert cameras.elevation_deg.tolist() == [above, below] * 3
    assert cameras.fov_y_deg.tolist() == pytest.approx([FOV_Y_DEG[layout]] * 6)


def test_cameras_look_at_the_origin_from_their_distance():
    cameras = six_cameras("v1.2", azimuth_deg=0.0, distance=4.0, size=8)
    eyes, backward = cameras.c2w[:, :3, 3], cameras.c2w[:, :3, 2]
    torch.testing.assert_close(eyes, 4.0 * backward)
