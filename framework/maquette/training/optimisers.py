"""Optimisers of the training loop: AdamW, Adamax, Muon for matrices of a network, and AdamUniform for a shape."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.optim import Adamax, AdamW, Optimizer

from maquette.geometry.base import ChangedRows

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5
LEAST_GRADIENT = 1e-3  # of the largest component, that a component is counted at
LARGEST_MOVE = 3.0  # of a component in a step of AdamUniform, in learning rates


def reindex_moments(optimizer: Optimizer, change: ChangedRows) -> None:
    """Reindex the optimiser state of every changed parameter like its rows; new rows get zeros."""
    is_old = change.rows >= 0
    for parameter in change.parameters:
        state = optimizer.state.get(parameter, {})
        for name, value in state.items():
            if isinstance(value, Tensor) and value.ndim:  # not the step count
                rows = value[change.rows.clamp(min=0)]
                rows[~is_old] = 0
                state[name] = rows


def orthogonalise(matrices: Float[Tensor, "K m n"]) -> Float[Tensor, "K m n"]:
    """The approximately nearest semi-orthogonal matrices: singular values are mapped into [0.7, 1.2].

    Computed in bfloat16 on CUDA, as the source does.

    Source: the quintic Newton-Schulz iteration of Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon).
    """
    a, b, c = COEFFICIENTS
    wide = matrices.shape[1] <= matrices.shape[2]
    x = matrices if wide else matrices.mT
    x = x / (torch.linalg.matrix_norm(x, keepdim=True) + 1e-7)
    x = x.bfloat16() if x.is_cuda else x
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x if wide else x.mT).to(matrices)


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
            by_shape: defaultdict[tuple[int, int], list[Tensor]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    by_shape[parameter.shape[0], parameter[0].numel()].append(parameter)
            for shape, parameters in by_shape.items():
                self._update_matrices(parameters, shape, group["lr"], group["weight_decay"])
        super().step()
        return loss

    def _update_matrices(self, parameters: list[Tensor], shape: tuple[int, int], rate: float, decay: float) -> None:
        """Muon step of matrices of one shape; clears their gradients, so that AdamW skips them."""
        gradients: list[Any] = [parameter.grad for parameter in parameters]
        for parameter, gradient in zip(parameters, gradients, strict=True):
            if not self.state[parameter]:
                self.state[parameter]["step"] = torch.zeros(())  # AdamW looks for it when a state is loaded
                self.state[parameter]["momentum"] = torch.zeros_like(gradient)
            self.state[parameter]["step"] += 1
            parameter.grad = None
        momenta = [self.state[parameter]["momentum"] for parameter in parameters]
        torch._foreach_lerp_(momenta, gradients, 1 - self.momentum)
        ahead = torch._foreach_lerp(gradients, momenta, self.momentum)
        updates = orthogonalise(torch.stack([one.reshape(shape) for one in ahead]))
        scale = 0.2 * max(shape) ** 0.5
        moves = [update.reshape(parameter.shape) for update, parameter in zip(updates, parameters, strict=True)]
        torch._foreach_mul_(parameters, 1 - rate * decay)
        torch._foreach_add_(parameters, moves, alpha=-rate * scale)


class AdamUniform(Optimizer):
    """Adam with one second moment for a whole tensor, that of the components that have a gradient.

        m <- b_1 m + (1 - b_1) g        v <- b_2 v + (1 - b_2) mean g^2        p <- p - lr m / (sqrt(v) + eps)

    with the bias of m and v corrected, and no component moved by more than `LARGEST_MOVE` learning rates. The mean is
    over components of at least `LEAST_GRADIENT` of the largest one: of a grid around a surface, the points beside it.
    The step keeps the direction of the smoothed gradient, which Adam's own does not.

    Source: Nicolet et al. 2021, "Large steps in inverse rendering of geometry", section 3.3, who take the largest
    second moment instead of the mean: there, one strong gradient at a silhouette makes all other steps small.
    """

    def __init__(
        self,
        groups: Any,
        lr: float = 0.0,
        betas: tuple[float, float] = (0.9, 0.99),
        eps: float = 1e-15,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(groups, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group)
        return loss

    def _update(self, parameter: Tensor, group: dict[str, Any]) -> None:
        state, gradient = self.state[parameter], parameter.grad
        assert gradient is not None
        if not state:
            state["step"] = torch.zeros(())
            state["momentum"], state["square"] = torch.zeros_like(parameter), gradient.new_zeros(())
        state["step"] += 1
        first, second = group["betas"]
        state["momentum"].lerp_(gradient, 1 - first)
        squared = gradient.square()
        counted = squared > LEAST_GRADIENT**2 * squared.max()
        state["square"].lerp_(squared.sum() / counted.sum().clamp(min=1), 1 - second)
        count = float(state["step"])
        size = (state["square"] / (1 - second**count)).sqrt() + group["eps"]
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        move = (state["momentum"] / (1 - first**count) / size).clamp(-LARGEST_MOVE, LARGEST_MOVE)
        parameter.sub_(move, alpha=group["lr"])


OPTIMISERS: dict[str, Callable[..., Optimizer]] = {
    "adamw": partial(AdamW, fused=True),
    "adamax": Adamax,
    "muon": partial(Muon, fused=True),
    "adam-uniform": AdamUniform,
}
"""Values of `LoopConfig.optimiser` -> optimisers; each takes parameter groups, betas, eps and weight_decay."""
