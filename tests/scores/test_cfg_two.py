"""Two scales, of which each has its own effect."""

import torch

from maquette.scores.cfg import CFG
from maquette.scores.cfg_two import CFGTwo

PREDICTIONS = dict(zip(("positive", "image", "unconditional"), torch.randn(3, 2, 4, 8, 8), strict=True))


def combined(image_scale: float, text_scale: float) -> torch.Tensor:
    return CFGTwo(CFGTwo.Config(image_scale, text_scale)).combine(PREDICTIONS)


def test_at_one_and_one_there_is_no_guidance():
    torch.testing.assert_close(combined(1.0, 1.0), PREDICTIONS["positive"])


def test_with_equal_scales_it_is_ordinary_guidance():
    wanted = CFG(CFG.Config(scale=4.0)).combine(PREDICTIONS)
    torch.testing.assert_close(combined(4.0, 4.0), wanted)


def test_each_scale_pushes_along_its_own_difference():
    image = PREDICTIONS["image"] - PREDICTIONS["unconditional"]
    text = PREDICTIONS["positive"] - PREDICTIONS["image"]
    torch.testing.assert_close(combined(2.5, 7.5) - combined(1.5, 7.5), image, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(combined(1.5, 8.5) - combined(1.5, 7.5), text, rtol=1e-4, atol=1e-4)
