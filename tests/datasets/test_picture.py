"""Variations of one picture: the object is what they have in common."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from maquette.backgrounds.random_solid import RandomSolid
from maquette.datasets.picture import PictureVariations
from maquette.randomness import Draws

WHITE = RandomSolid.Config(low=1.0, high=1.0, tint=0.0)


@pytest.fixture
def flag(tmp_path: Path) -> str:
    """Red beside blue, 40 x 20 pixels of 120 x 100."""
    rgba = np.zeros((100, 120, 4), np.uint8)
    rgba[30:50, 20:40] = (255, 0, 0, 255)
    rgba[30:50, 40:60] = (0, 0, 255, 255)
    path = tmp_path / "flag_rgba.png"
    Image.fromarray(rgba).save(path)
    return str(path)


def drawn(path: str, count: int = 32, **settings) -> torch.Tensor:
    dataset = PictureVariations(PictureVariations.Config(path=path, size=32, **settings))
    dataset.prepare(torch.device("cpu"))
    return dataset.batch(Draws(0, 0), count)


def test_the_object_takes_its_share_of_the_side(flag):
    for share in (0.5, 1.0):
        (picture,) = drawn(flag, 1, fill=(share, share), shift=0.0, mirror=0.0, background=WHITE)
        coloured = (1 - picture[..., 1]).sum()  # of red and blue, none is green
        assert float(coloured) == pytest.approx((32 * share) * (16 * share), rel=1e-3)


def test_mirroring_swaps_left_and_right(flag):
    plain, mirrored = (
        drawn(flag, 1, fill=(0.5, 0.5), shift=0.0, mirror=chance, background=WHITE)[0] for chance in (0.0, 1.0)
    )
    assert plain[16, 12].tolist() == [1, 0, 0] and mirrored[16, 12].tolist() == [0, 0, 1]
    assert torch.equal(plain.flip(1), mirrored)


def test_it_is_never_the_same_and_always_whole(flag):
    pictures = drawn(flag, fill=(0.4, 0.7), shift=0.1, background=WHITE)
    assert len({picture.numpy().tobytes() for picture in pictures}) == 32
    rim = torch.cat([pictures[:, [0, -1]].flatten(1, 2), pictures[:, :, [0, -1]].flatten(1, 2)], dim=1)
    assert rim.min() == 1


def test_backgrounds_differ_and_draws_decide_everything(flag):
    pictures = drawn(flag)
    assert len({tuple(picture[0, 0].tolist()) for picture in pictures}) == 32
    assert torch.equal(pictures, drawn(flag))


def test_a_picture_that_is_not_there_is_named():
    with pytest.raises(ValueError, match=r"path: there is no picture nowhere\.png"):
        PictureVariations.Config(path="nowhere.png")
