"""Kernel distance (KID) of sets of pictures by an encoder that is trained on photographs, with intervals over worlds.

Source: Binkowski et al. 2018, "Demystifying MMD GANs" (arXiv 1801.01401), sec. 4: the kernel (x . y / d + 1)^3 and the
unbiased estimate. Features are of an encoder of this domain: those of ImageNet know nothing of pictures of 64 pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from maquette.datasets.base import LabelledPictures
from maquette.landscapes.classes import LABELS
from maquette.randomness import Draws

Features = list[Float[Tensor, "views 64"]]
"""Features of pictures, a tensor for each world."""

CELLS = 4  # along a side, whose fractions of labels the encoder learns to tell
RESAMPLES = 1000


def scoring_encoder(training: LabelledPictures, steps: int = 1200, batch: int = 32) -> Callable[[Tensor], Tensor]:
    """Features [B, 64] of pictures [B, H, W, 3]; trained to tell labels and mean colour of each part of photographs."""
    torch.manual_seed(77)
    trunk = nn.Sequential(
        *(
            layer
            for inputs, outputs in ((3, 24), (24, 48), (48, 64), (64, 64))
            for layer in (nn.Conv2d(inputs, outputs, 3, 2, 1, padding_mode="replicate"), nn.LeakyReLU(0.2))
        )
    )
    head = nn.Conv2d(64, len(LABELS) + 3, 1)
    optimiser = torch.optim.Adam([*trunk.parameters(), *head.parameters()], lr=2e-3)
    pictures = training.images.permute(0, 3, 1, 2)
    one_hot = functional.one_hot(training.labels, len(LABELS)).movedim(-1, 1).float()
    fractions = functional.adaptive_avg_pool2d(one_hot, CELLS)
    colors = functional.adaptive_avg_pool2d(pictures, CELLS)
    for step in range(steps):
        chosen = Draws(0, step, "scoring/").integers("pictures", 0, len(pictures) - 1, batch)
        predicted = head(trunk(2 * pictures[chosen] - 1))
        loss = functional.cross_entropy(predicted[:, :-3], fractions[chosen]) + 10 * functional.mse_loss(
            predicted[:, -3:], colors[chosen]
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    @torch.no_grad()
    def encode(images: Tensor) -> Tensor:
        return trunk(2 * images.permute(0, 3, 1, 2) - 1).mean(dim=(2, 3))

    return encode


def kernel_distances(rows: Mapping[str, Features], reference: Features, baseline: str) -> dict[str, Any]:
    """Distance of each row to the reference, and its difference to the row `baseline`, with intervals over worlds."""
    kernels = {row: Kernels(features, reference) for row, features in rows.items()}
    generator, worlds = np.random.default_rng(0), len(reference)
    counts = [generator.multinomial(worlds, np.full(worlds, 1 / worlds), RESAMPLES) for _ in ("ours", "theirs")]
    pairs, once = list(zip(*counts, strict=True)), np.ones(worlds, int)
    values = {row: kernel.distance(once, once) for row, kernel in kernels.items()}
    resampled = {row: np.array([kernel.distance(*each) for each in pairs]) for row, kernel in kernels.items()}

    def difference(row: str) -> dict[str, Any]:
        interval = _interval(resampled[row] - resampled[baseline])
        return {"mean": round(values[row] - values[baseline], 4), "interval_95": interval}

    return {
        row: {
            "mean": round(values[row], 4),
            "interval_95": _interval(resampled[row]),
            f"minus {baseline}": difference(row),
        }
        for row in rows
    }


def _interval(values: np.ndarray) -> list[float]:
    return [round(float(bound), 4) for bound in np.percentile(values, [2.5, 97.5])]


class Kernels:
    """Sums of the kernel between the worlds of two sets, of which any resample of worlds is a weighted sum."""

    def __init__(self, ours: Features, theirs: Features) -> None:
        x, y = torch.cat(ours).double(), torch.cat(theirs).double()
        views = len(ours[0])
        self.within = _blocks(_kernel(x, x).fill_diagonal_(0), views), _blocks(_kernel(y, y).fill_diagonal_(0), views)
        self.between, self.views = _blocks(_kernel(x, y), views), views

    def distance(self, ours: np.ndarray, theirs: np.ndarray) -> float:
        """Unbiased squared distance with each world taken so many times; a picture is never compared with itself."""
        parts = [
            counts @ within @ counts / (self.views**2 * counts.sum() ** 2 - self.views * (counts**2).sum())
            for counts, within in zip((ours, theirs), self.within, strict=True)
        ]
        cross = ours @ self.between @ theirs / (self.views**2 * ours.sum() * theirs.sum())
        return float(sum(parts) - 2 * cross)


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.mT / x.shape[1] + 1) ** 3


def _blocks(kernel: Tensor, views: int) -> np.ndarray:
    """Sums over the pictures of each pair of worlds."""
    worlds = [length // views for length in kernel.shape]
    return kernel.view(worlds[0], views, worlds[1], views).sum(dim=(1, 3)).numpy()
