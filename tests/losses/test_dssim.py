"""D-SSIM is one minus what scikit-image calls structural similarity."""

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from maquette.losses.dssim import DSSIM
from views import rendering, target

MARGIN = 5  # pixels that the window of 11 reaches beyond the picture, which goes on mirrored there


def test_dssim_is_one_minus_the_structural_similarity_of_scikit_image():
    size = 32
    known = torch.rand(1, size, size, 3, generator=torch.Generator().manual_seed(0))
    drawn = (known + 0.3 * torch.rand(1, size, size, 3, generator=torch.Generator().manual_seed(1))).clamp(0, 1)
    value = DSSIM(DSSIM.Config())(rendering(drawn), target(known))
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}
    padded = [np.pad(x[0].numpy(), ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), "reflect") for x in (drawn, known)]
    _, similar = structural_similarity(*padded, channel_axis=-1, full=True, **settings)
    inside = similar[MARGIN:-MARGIN, MARGIN:-MARGIN].mean()
    assert float(value) == pytest.approx(1 - inside, abs=1e-5)


def test_dssim_keeps_full_precision_under_autocast():
    known = torch.rand(1, 32, 32, 3, generator=torch.Generator().manual_seed(0))
    loss = DSSIM(DSSIM.Config())
    with torch.autocast("cpu", torch.bfloat16):
        half = loss(rendering(known), target(known))
    assert float(half) == pytest.approx(float(loss(rendering(known), target(known))), abs=1e-6)
