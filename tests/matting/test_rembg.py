"""Each picture's alpha is the one that rembg finds."""

import sys
from types import SimpleNamespace

import numpy as np
import torch

from maquette.images.picture import Picture
from maquette.matting.rembg import Rembg


def test_each_picture_gets_the_alpha_that_rembg_gives_it(monkeypatch):
    def remove(rgb, session):
        return np.dstack([rgb, np.where(rgb[..., 0] > 127, 255, 51).astype(np.uint8)])

    monkeypatch.setitem(sys.modules, "rembg", SimpleNamespace(new_session=lambda model: model, remove=remove))
    rgb = torch.zeros(2, 4, 4, 3)
    rgb[1, 1:3, 1:3, 0] = 1
    alpha = Rembg(Rembg.Config())(Picture.opaque(rgb)).alpha
    torch.testing.assert_close(alpha[0], torch.full((4, 4, 1), 0.2))
    torch.testing.assert_close(alpha[1].sum(), torch.tensor(4 + 12 * 0.2))
