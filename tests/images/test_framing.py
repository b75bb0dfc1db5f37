"""An object is cut out with room around it, whatever lies beyond the picture's edge."""

import pytest
import torch

from maquette.images.framing import SquareCrop, crop_and_resize, crop_and_resize_values, square_around_object
from maquette.images.picture import Picture


def a_square(rows: slice, columns: slice, height: int = 8, width: int = 12) -> Picture:
    """Red where it is opaque, green elsewhere."""
    rgba = torch.tensor([0.0, 1.0, 0.0, 0.0]).expand(1, height, width, 4).clone()
    rgba[:, rows, columns] = torch.tensor([1.0, 0.0, 0.0, 1.0])
    return Picture.from_rgba(rgba)


def test_the_square_is_about_the_object_and_leaves_it_its_share():
    picture = a_square(slice(1, 3), slice(4, 8))
    assert square_around_object(picture, 0.5) == SquareCrop((2.0, 6.0), 8.0)
    assert square_around_object(picture, 0.0) == SquareCrop((4.0, 6.0), 12.0)  # about the whole picture


def test_a_part_is_cut_out_as_it_is():
    rgba = torch.rand(1, 6, 6, 4, generator=torch.Generator().manual_seed(0))
    part = crop_and_resize(Picture.from_rgba(rgba), SquareCrop((3.0, 2.0), 4.0), 4)
    torch.testing.assert_close(part.rgba, rgba[:, 1:5, 0:4])


def test_beyond_the_edge_everything_is_transparent():
    part = crop_and_resize(
        a_square(slice(0, 2), slice(0, 2)), SquareCrop((0.0, 0.0), 8.0), 4
    )  # three quarters are outside
    assert part.alpha[0, ..., 0].tolist() == [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    assert torch.equal(part.color[part.alpha[..., 0] > 0], torch.tensor([[1.0, 0.0, 0.0]]))


def test_a_square_larger_than_the_picture_is_no_larger_in_memory():
    part = crop_and_resize(a_square(slice(3, 5), slice(5, 7)), SquareCrop((4.0, 6.0), 1e6), 4)
    assert part.size == (4, 4) and float(part.alpha.sum()) == pytest.approx(4 / (1e6 / 4) ** 2, rel=1e-3)


def test_values_of_any_range_are_averaged_over_the_object_alone():
    picture = a_square(slice(2, 6), slice(4, 8))
    depth = torch.where(picture.alpha > 0, -40.0, 1000.0)
    depth[:, 2:4] *= torch.where(picture.alpha[:, 2:4] > 0, 2, 1)  # -80 in the upper half
    framed = crop_and_resize_values(depth, picture.alpha, square_around_object(picture, 1.0), 2)
    assert framed[0, ..., 0].tolist() == [[-80, -80], [-40, -40]]
    assert crop_and_resize_values(depth, picture.alpha, square_around_object(picture, 0.5), 1).item() == pytest.approx(
        -60
    )
