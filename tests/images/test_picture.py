"""Pictures with coverage: one formula puts them before a background, and one takes them off it."""

import jaxtyping
import pytest
import torch

from maquette.images.picture import Picture


def a_picture(*alphas: float) -> Picture:
    """One orange pixel for each alpha."""
    color = torch.tensor([1.0, 0.5, 0.25]).expand(1, 1, len(alphas), 3)
    return Picture(color, torch.tensor(alphas).view(1, 1, -1, 1))


@pytest.mark.parametrize("background", [0.5, (0.5, 0.5, 0.5), torch.tensor(0.5), torch.full((1, 1, 3, 3), 0.5)])
def test_a_background_shows_where_nothing_covers_it(background):
    shown = a_picture(0.0, 0.5, 1.0).over(background)
    torch.testing.assert_close(shown[0, 0], torch.tensor([[0.5, 0.5, 0.5], [0.75, 0.5, 0.375], [1.0, 0.5, 0.25]]))


def test_a_picture_comes_off_a_background_that_is_known():
    picture = a_picture(0.0, 0.25, 1.0)
    again = Picture.from_composited(picture.over((0.2, 0.4, 0.6)), picture.alpha, (0.2, 0.4, 0.6))
    torch.testing.assert_close(again.color[0, 0, 1:], picture.color[0, 0, 1:])
    assert torch.equal(again.color[0, 0, 0], torch.zeros(3)) and torch.equal(again.alpha, picture.alpha)


def test_rounding_takes_no_color_out_of_its_range():
    alpha = torch.rand(1, 8, 8, 1, generator=torch.Generator().manual_seed(0)) ** 8  # most of them near 0
    white = Picture(torch.ones(1, 8, 8, 3), alpha)
    again = Picture.from_composited(white.over(0.3), alpha, 0.3)
    assert again.color.max() <= 1 and again.over(1.0).max() <= 1
    torch.testing.assert_close(again.over(0.7), white.over(0.7))


def test_gradients_reach_color_alpha_and_background():
    color, alpha = torch.full((1, 2, 2, 3), 0.5), torch.full((1, 2, 2, 1), 0.25)
    background = torch.zeros(1, 2, 2, 3)
    for tensor in (color, alpha, background):
        tensor.requires_grad_()
    Picture(color, alpha).over(background).sum().backward()
    assert color.grad.unique().tolist() == [0.25] and background.grad.unique().tolist() == [0.75]
    assert alpha.grad.unique().tolist() == [1.5]


def test_opaque_pictures_hide_what_is_behind():
    color = torch.rand(2, 3, 4, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(Picture.opaque(color).over(0.7), color)


def test_batches_are_joined_and_taken_apart():
    rgba = torch.rand(3, 2, 5, 4, generator=torch.Generator().manual_seed(0))
    picture = Picture.from_rgba(rgba)
    assert len(picture) == 3 and picture.size == (2, 5) and torch.equal(picture.rgba, rgba)
    assert torch.equal(Picture.cat([picture[:1], picture[torch.tensor([1, 2])]]).rgba, rgba)
    assert torch.equal(picture[torch.tensor([False, True, False])].rgba, rgba[1:2])


@pytest.mark.parametrize("alpha", [(2, 4, 4), (1, 4, 4, 1), (2, 4, 4, 3)])
def test_an_alpha_that_does_not_fit_is_refused(alpha, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # users have no checker of shapes
    with pytest.raises(ValueError, match=r"color \[B, H, W, 3\] and alpha \[B, H, W, 1\], not \(2, 4, 4, 3\)"):
        Picture(torch.zeros(2, 4, 4, 3), torch.zeros(alpha))
