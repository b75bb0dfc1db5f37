"""Features on the triangles of a mesh blend as colours do."""

import pytest
import torch

from maquette.geometry._hash_field import HashField, HashFieldConfig
from maquette.geometry.paint import COLOR_MARGIN, FieldPaint, TexturePaint, VertexPaint, features_from_colors

BLACK, WHITE = [0.0, 0.0, 0.0], [1.0, 1.0, 1.0]


def halfway(points):
    """Half way between the first two corners, wherever the points are."""
    corners = torch.tensor([[0, 1, 2]]).expand(len(points), 3)
    return corners, torch.tensor([[0.5, 0.5, 0.0]]).expand(len(points), 3)


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_features_stand_for_the_colours_that_they_came_from(channels):
    colors = torch.tensor([[0.0, 0.2, 1.0], [0.5, 0.7, 0.9]])
    features = features_from_colors(colors, channels)
    shown = torch.sigmoid(features)
    assert features.shape == (2, channels) and torch.isfinite(features).all()
    torch.testing.assert_close(shown[:, :3], colors[:, :channels], atol=COLOR_MARGIN + 1e-6, rtol=0)
    assert (shown[:, 3:] == 0.5).all()


def test_paint_half_way_between_black_and_white_is_grey():
    paint = VertexPaint(torch.tensor([BLACK, WHITE, WHITE]), 3)
    grey = torch.sigmoid(paint.features_at_points(torch.zeros(4, 3), halfway))
    torch.testing.assert_close(grey, torch.full((4, 3), 0.5))


def test_a_texture_has_its_first_row_above():
    uv = torch.tensor([[0.25, 0.75], [0.25, 0.75], [0.0, 0.0]])  # v points up
    texture = torch.tensor([[WHITE, BLACK], [BLACK, BLACK]])
    paint = TexturePaint(uv, texture, 3)
    seen = torch.sigmoid(paint.features_at_points(torch.zeros(1, 3), halfway))
    torch.testing.assert_close(seen, torch.ones(1, 3), atol=2 * COLOR_MARGIN, rtol=0)
    seen.sum().backward()
    assert paint.features.grad[0, 0].abs().sum() > 0 and paint.features.grad[1].abs().sum() == 0


def test_paint_from_a_field_asks_the_field_at_the_points_themselves():
    torch.manual_seed(0)
    field = HashField(HashFieldConfig(levels=2, log2_table_size=8, base_resolution=4, finest_resolution=8), outputs=3)
    paint, points = FieldPaint(field), torch.rand(5, 3)
    assert torch.equal(paint.features_at_points(points, halfway), field.outputs(points))
    assert paint.groups().keys() == field.groups().keys()
