"""A picture's own alpha is kept; a picture without any is refused."""

import pytest
import torch

from maquette.errors import ConfigError
from maquette.images.picture import Picture
from maquette.matting.alpha import Alpha

CUT_OUT = Picture(torch.rand(1, 8, 8, 3), (torch.arange(64.0) / 63).view(1, 8, 8, 1))


def test_alpha_stays_as_it_is():
    assert Alpha(Alpha.Config())(CUT_OUT) is CUT_OUT


def test_a_picture_without_alpha_is_refused_with_the_remedy():
    both = Picture.cat([CUT_OUT, Picture.opaque(torch.rand(1, 8, 8, 3))])
    with pytest.raises(ConfigError, match=r"no alpha channel.*transparent background, or take matting=border"):
        Alpha(Alpha.Config())(both)
