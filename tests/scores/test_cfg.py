"""The two conventions of the guidance scale differ by one."""

import torch

from maquette.scores.cfg import CFG


def test_scale_from_text_is_one_less_than_from_unconditional():
    predictions = {"positive": torch.randn(2, 3, 4, 4), "unconditional": torch.randn(2, 3, 4, 4)}
    from_text = CFG(CFG.Config(scale=6.5, base="text")).combine(predictions)
    torch.testing.assert_close(from_text, CFG(CFG.Config(scale=7.5)).combine(predictions))


def test_scale_one_is_the_positive_prediction():
    predictions = {"positive": torch.randn(2, 3, 4, 4), "unconditional": torch.randn(2, 3, 4, 4)}
    torch.testing.assert_close(CFG(CFG.Config(scale=1.0)).combine(predictions), predictions["positive"])
