"""A data set of pairs of views that is drawn in closed form."""

from __future__ import annotations

import torch

from maquette.cameras.base import orbit_cameras
from maquette.datasets.base import PosedPairs
from maquette.learners.base import Learner
from maquette.randomness import Draws

SIZE = 16


class Lamps:
    """Grey discs with a bright half that turns with the camera.

    Args:
        size: picture side in pixels.
    """

    def __init__(self, size: int = SIZE) -> None:
        self.size = size

    def prepare(self, device: torch.device) -> None:
        """Nothing is to do."""

    def batch(self, draws: Draws, size: int) -> PosedPairs:
        one = torch.ones(size)
        angles = [draws.uniform(name, size, high=360.0) for name in ("reference", "target")]
        cameras = [orbit_cameras(angle, 0 * one, 3 * one, 40 * one, self.size) for angle in angles]
        return PosedPairs(self.picture(angles[0]), self.picture(angles[1]), *cameras)

    held_out = batch

    def sample_pairs(self, objects: int, targets: int) -> PosedPairs:
        return self.batch(Draws(0, 0), objects * targets)

    def picture(self, azimuth_deg: torch.Tensor) -> torch.Tensor:
        """Pictures [B, H, W, 3] of lamps seen from B azimuths."""
        across = torch.linspace(-1, 1, self.size)
        lit = across * torch.deg2rad(azimuth_deg)[:, None].cos()
        return (0.5 + 0.4 * lit)[:, None, :, None].expand(-1, self.size, self.size, 3)


def train(learner: Learner, steps: int) -> list[float]:
    """Train a learner on lamps; the losses of the steps."""
    trainable = [p for p in learner.parameters() if p.requires_grad]
    optimiser, losses = torch.optim.Adam(trainable, 2e-3), []
    for step in range(steps):
        loss = learner.loss(Lamps().batch(Draws(0, step), 16), Draws(0, step)).total()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        learner.after_step(step)
        losses.append(float(loss.detach()))
    return losses
