"""What densification and pruning ask of the pictures of the last steps."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from maquette.kernels.splatting.results import Projected


@dataclass(frozen=True)
class ScreenStatistics:
    """Per Gaussian, over the views added so far.

    Attributes:
        gradient: sum of the lengths of the screen-space gradient, per pixel.
        view_count: number of views in which it was visible.
        radius: largest radius in any view, in pixels.

    Source: Kerbl et al. 2023 (arXiv 2308.04079), sec. 5.2.

    Example:
        >>> c2w = torch.eye(4)
        >>> c2w[2, 3] = 4.0
        >>> from maquette.kernels.splatting import project, splat
        >>> m, q, s = torch.zeros(1, 3).requires_grad_(), torch.tensor([[1.0, 0, 0, 0]]), torch.full((1, 3), 0.1)
        >>> view = project(m, q, s, c2w, 40.0, 8, 8)
        >>> view.means.retain_grad()
        >>> splat(view, torch.tensor([0.5]), torch.ones(1, 3)).values[:, :4].sum().backward()
        >>> statistics = ScreenStatistics.zeros(1).add(view)
        >>> statistics.view_count, statistics.radius, bool(statistics.mean_gradient > 0)
        (tensor([1]), tensor([4.]), True)
    """

    gradient: Float[Tensor, " n"]
    view_count: Int[Tensor, " n"]
    radius: Float[Tensor, " n"]

    @staticmethod
    def zeros(count: int, device: torch.device | str = "cpu") -> ScreenStatistics:
        """Statistics of `count` Gaussians before the first view."""
        zeros = torch.zeros(count, device=device)
        return ScreenStatistics(zeros, zeros.long(), zeros)

    def add(self, projected: Projected) -> ScreenStatistics:
        """With one more view, whose loss has been taken backward after `projected.means.retain_grad()`.

        Raises:
            ValueError: the view has no gradient, or is of another number of Gaussians.
        """
        if len(projected) != len(self.view_count):
            raise ValueError(
                f"ScreenStatistics: a view of {len(projected)} Gaussians, and not of {len(self.view_count)}"
            )
        if projected.means.grad is None:
            raise ValueError("ScreenStatistics: call means.retain_grad() on the view before the backward pass")
        return ScreenStatistics(
            self.gradient + projected.means.grad.norm(dim=-1).to(self.gradient),
            self.view_count + projected.visible,
            torch.maximum(self.radius, projected.radii.to(self.radius)),
        )

    @property
    def mean_gradient(self) -> Float[Tensor, " n"]:
        """Mean length of the screen-space gradient over the views that saw the Gaussian, per pixel; 0 where none did.

        3DGS compares it in units of half the picture: times width / 2 for square pictures.
        """
        return self.gradient / self.view_count.clamp(min=1)
