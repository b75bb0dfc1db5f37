"""The optimisers a loop can use: AdamW, Adamax, and Muon for the matrices of a network trained from scratch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.optim import Adamax, AdamW, Optimizer

from maquette.terms import ChangedRows

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5


def carry_moments(optimizer: Optimizer, change: ChangedRows) -> None:
    """Let the moments of every changed parameter follow its rows; fresh rows get zeros."""
    kept = change.rows >= 0
    for parameter in change.parameters:
        state = optimizer.state.get(parameter, {})
        for name, value in state.items():
            if isinstance(value, Tensor) and value.ndim:  # not the step count
                moved = value[change.rows.clamp(min=0)]
                moved[~kept] = 0
                state[name] = moved


def orthogonalised(matrix: Tensor) -> Tensor:
    """The nearest semi-orthogonal matrix to `matrix` [m, n], roughly: its singular values move into [0.7, 1.2].

    Source: the quintic Newton-Schulz iteration of Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon).
    """
    a, b, c = COEFFICIENTS
    wide = matrix.shape[0] <= matrix.shape[1]
    x = matrix if wide else matrix.T
    x = x / (torch.linalg.matrix_norm(x) + 1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x if wide else x.T


class Muon(AdamW):
    """Muon for parameter groups with `orthogonal=True`, AdamW for all others.

    Convolution kernels [out, in, kh, kw] are matrices [out, in kh kw]. Updates are scaled by 0.2 sqrt(max(m, n)), which
    gives them the root-mean-square size of Adam's, so that one learning rate serves both.

    Source: Jordan et al. 2024; the scale, Liu et al. 2025 (arXiv 2502.16982), eq. 4.
    """

    momentum = 0.95

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            if not group.get("orthogonal", False):
                continue
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, parameter.grad, group["lr"], group["weight_decay"])
                    parameter.grad = None  # what is left is Adam's
        super().step()
        return loss

    def _move(self, parameter: Tensor, gradient: Tensor, rate: float, decay: float) -> None:
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros(())  # AdamW looks for it when a state is loaded
            state["momentum"] = torch.zeros_like(gradient)
        state["step"] += 1
        momentum = state["momentum"].lerp_(gradient, 1 - self.momentum)
        ahead = gradient.lerp(momentum, self.momentum).reshape(parameter.shape[0], -1)
        scale = 0.2 * max(ahead.shape) ** 0.5
        update = orthogonalised(ahead).reshape(parameter.shape)
        parameter.mul_(1 - rate * decay).add_(update, alpha=-rate * scale)


OPTIMISERS: dict[str, Callable[..., Optimizer]] = {
    "adamw": partial(AdamW, fused=True),
    "adamax": Adamax,
    "muon": partial(Muon, fused=True),
}
"""By the name that `LoopConfig.optimiser` gives; each takes parameter groups, betas, eps and weight_decay."""
