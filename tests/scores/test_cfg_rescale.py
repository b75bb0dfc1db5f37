"""Guidance at the contrast of the unguided prediction."""

import numpy as np
import pytest
import torch

from maquette.scores.cfg import CFG
from maquette.scores.cfg_rescale import CFGRescale

POSITIVE = torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(0))
PREDICTIONS = {"positive": POSITIVE, "unconditional": POSITIVE.flip(0) * 0.5}


def test_rescaled_all_the_way_each_picture_has_the_deviation_of_its_positive_prediction():
    found = CFGRescale(CFGRescale.Config(scale=10.0, rescale=1.0)).combine(PREDICTIONS)
    np.testing.assert_allclose(found.flatten(1).std(1), POSITIVE.flatten(1).std(1), rtol=1e-5)


@pytest.mark.parametrize("base", ["unconditional", "text"])
def test_a_share_of_zero_is_plain_guidance_from_either_base(base):
    found = CFGRescale(CFGRescale.Config(scale=6.0, base=base, rescale=0.0)).combine(PREDICTIONS)
    assert torch.equal(found, CFG(CFG.Config(scale=6.0, base=base)).combine(PREDICTIONS))


def test_the_share_mixes_the_two():
    none, some, full = (
        CFGRescale(CFGRescale.Config(scale=5.0, rescale=share)).combine(PREDICTIONS) for share in (0.0, 0.3, 1.0)
    )
    torch.testing.assert_close(some, 0.7 * none + 0.3 * full)
