"""What differs from the border's colour is the object: exact edges, open handles, whole white walls."""

import numpy as np
import pytest
import torch

from maquette.errors import ConfigError
from maquette.images.picture import Picture
from maquette.matting.border import Border
from maquette.registry import get
from maquette_nano import world

SIZE = 64
GREY = torch.tensor([0.70, 0.72, 0.71])
NOISE = 0.005  # standard deviation of a sampled background


def before(background: torch.Tensor, color: torch.Tensor, alpha: torch.Tensor) -> Picture:
    """Pictures over a background with the noise of a sampler."""
    rgb = Picture(color, alpha).over(background)
    noise = NOISE * torch.randn(rgb.shape, generator=torch.Generator().manual_seed(0))
    return Picture.opaque((rgb + noise).clamp(0, 1))


def disc(radius: float, hole: float = 0.0) -> torch.Tensor:
    """Coverage [1, SIZE, SIZE, 1] of a ring about the centre, by 16 x 16 points a pixel."""
    fine = (torch.arange(SIZE * 16) + 0.5) / 16 - SIZE / 2
    distance = (fine[:, None] ** 2 + fine**2).sqrt()
    inside = ((distance < radius) & (distance >= hole)).float()
    return torch.nn.functional.avg_pool2d(inside[None, None], 16).permute(0, 2, 3, 1)


def plain(*color: float) -> torch.Tensor:
    return torch.tensor(color).expand(1, SIZE, SIZE, 3)


def matte(picture: Picture, **settings: float) -> torch.Tensor:
    return Border(Border.Config(**settings))(picture).alpha


@pytest.mark.parametrize("color", [(0.8, 0.1, 0.1), (0.1, 0.1, 0.1), (0.95, 0.95, 0.95)])
def test_alpha_at_edges_is_the_covered_fraction(color):
    alpha = disc(20.3)
    error = (matte(before(GREY, plain(*color), alpha)) - alpha).abs()
    assert float(error.max()) < 0.2 and float(error.sum() / alpha.sum()) < 0.01


def test_colors_at_edges_are_the_objects():
    alpha = disc(20.3)
    cut = Border(Border.Config())(before(GREY, plain(0.8, 0.1, 0.1), alpha))
    colors = cut.color[cut.alpha[..., 0] > 0.3]
    assert float((colors - torch.tensor([0.8, 0.1, 0.1])).abs().max()) < 0.06


def test_a_handle_stays_open():
    alpha = disc(20, hole=8)
    assert float(matte(before(GREY, plain(0.8, 0.1, 0.1), alpha))[0, 28:36, 28:36].max()) == 0


def test_a_wall_of_nearly_the_backgrounds_color_is_filled():
    color = torch.where(disc(12) > 0.5, GREY + 0.02, torch.tensor([0.8, 0.1, 0.1]))
    assert float(matte(before(GREY, color, disc(20)))[0, 28:36, 28:36].min()) == 1


def test_specks_are_dropped_and_thin_parts_of_the_object_are_not():
    alpha = disc(12)
    alpha[0, 5, 5] = 1
    alpha[0, 31, 40:60] = 1  # an antenna
    cut = matte(before(GREY, plain(0.1, 0.1, 0.1), alpha))
    assert float(cut[0, 5, 5]) == 0 and float(cut[0, 31, 45:59].min()) > 0.9


def test_a_thin_pale_part_is_kept_where_it_joins_the_object():
    color = plain(0.1, 0.1, 0.1).clone()
    color[0, 30:34, 40:60] = GREY + 0.05
    alpha = disc(12)
    alpha[0, 30:34, 40:60] = 1
    assert float(matte(before(GREY, color, alpha))[0, 31:33, 45:58].min()) > 0.8


def test_renders_of_objects_are_cut_out_better_than_by_a_threshold():
    azimuths = [0.0, 90.0]
    c2w = np.stack([world.orbit_c2w(azimuth, 15.0, 3.2) for azimuth in azimuths])
    ours, threshold = [], []
    for index in range(4):
        true = world.render(world.sample_object(index, "test"), c2w, 35.0, SIZE, 4).picture
        picture = before(GREY, true.color, true.alpha)
        ramp = (((picture.color - GREY).abs().amax(-1, keepdim=True) - 0.03) / 0.05).clamp(0, 1)
        ours.append(iou(matte(picture), true.alpha))
        threshold.append(iou(ramp, true.alpha))
    assert min(ours) > 0.92 and np.mean(ours) > np.mean(threshold) + 0.03


def iou(one: torch.Tensor, other: torch.Tensor) -> float:
    return float(((one > 0.5) & (other > 0.5)).sum() / ((one > 0.5) | (other > 0.5)).sum())


def test_each_picture_has_a_background_of_its_own():
    colors, alpha = plain(0.8, 0.1, 0.1), disc(20)
    both = Picture.cat([before(GREY, colors, alpha), before(GREY - 0.3, colors, alpha)])
    cut = matte(both)
    assert iou(cut[:1], alpha) > 0.98 and iou(cut[1:], alpha) > 0.98


RAMP = torch.linspace(0.4, 0.9, SIZE)[None, :, None, None].expand(1, SIZE, SIZE, 3)
FAILS = {
    "border is not of one colour": Picture.opaque(RAMP),
    "border is not of one colour: .*so that object and background": Picture.opaque(torch.rand(1, SIZE, SIZE, 3)),
    "nothing in this picture differs": Picture.opaque(plain(0.5, 0.5, 0.5)),
}


@pytest.mark.parametrize("message", list(FAILS))
def test_a_picture_that_is_no_object_before_one_color_is_refused_with_the_remedy(message):
    with pytest.raises(ConfigError, match=f"{message}.*matting=rembg"):
        matte(FAILS[message])


def test_an_object_that_fills_the_border_is_refused():
    color = plain(0.2, 0.2, 0.2).clone()
    color[0, :, :20] = 0.9
    with pytest.raises(ConfigError, match="not of one colour"):
        matte(Picture.opaque(color))


def test_the_thresholds_are_in_order():
    with pytest.raises(ValueError, match="lies below high"):
        Border.Config(low=0.1, high=0.05)
    assert get("matting", "border") is Border
