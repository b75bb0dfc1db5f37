"""Gradients against finite differences."""

from __future__ import annotations

import torch
from torch import Tensor

from maquette.randomness import Draws
from maquette.testing.trial import Fault, Skip, Slope, Trial

STEPS = {torch.float64: 1e-6, torch.float32: 2e-3}
"""Length of a step along a direction of unit root mean square, by dtype."""
TOLERANCES = {torch.float64: 1e-4, torch.float32: 3e-2}


def check_gradients(trial: Trial) -> None:
    """Gradients exist, are finite, and one of them is not zero."""
    sizes = []
    for slope in _slopes(trial, torch.float32):
        gradient = _gradient(slope)
        if gradient is None:
            continue
        if not torch.isfinite(gradient).all():
            raise Fault(f"the gradient to {slope.name} is not finite")
        sizes.append(float(gradient.abs().max()) if gradient.numel() else 0.0)
    if not sizes or max(sizes) == 0:
        raise Fault("no gradient reaches any input or parameter")


def check_finite_differences(trial: Trial) -> None:
    """The gradient along a direction is the central difference along it, in float64 or in float32."""
    wrong: list[str] = []
    for dtype in (torch.float64, torch.float32):
        try:
            wrong = [fault for slope in _slopes(trial, dtype) if (fault := _disagreement(slope, dtype, trial.name))]
        except Skip:
            raise
        except Exception as problem:  # a network of float32 takes no float64
            if dtype is torch.float32:
                raise
            wrong = [str(problem)]
        if not wrong:
            return
    raise Fault("; ".join(wrong))


def _slopes(trial: Trial, dtype: torch.dtype) -> list[Slope]:
    if trial.procedure.slopes is None:
        raise Skip(f"the kind {trial.kind} has no gradients")
    slopes = trial.procedure.slopes(trial, trial.build(), dtype)
    if not slopes:
        raise Skip("it reads nothing that is optimised")
    return slopes


def _gradient(slope: Slope) -> Tensor | None:
    """The gradient as a step of training computes it, to all leaves at once.

    torch 2.13 ends in SIGSEGV where the gradient to the weight of a GroupNorm is asked for alone and its input is in
    channels-last order: `x = torch.randn(2, 8, 4, 4, requires_grad=True)`, `norm = torch.nn.GroupNorm(8, 8)`,
    `y = norm(x.contiguous(memory_format=torch.channels_last))`, `torch.autograd.grad(y.sum(), norm.weight)`.
    """
    value = slope.function()
    if not value.requires_grad:
        return None
    slope.leaf.grad = None
    value.backward()
    gradient, slope.leaf.grad = slope.leaf.grad, None
    return gradient


def _disagreement(slope: Slope, dtype: torch.dtype, name: str) -> str:
    gradient = _gradient(slope)
    if gradient is not None and not torch.isfinite(gradient).all():
        raise Skip("the gradients are not finite")
    direction = Draws(0, 0).normal(f"direction/{name}", slope.leaf.numel()).view_as(slope.leaf).to(slope.leaf)
    expected = float((gradient * direction).sum()) if gradient is not None else 0.0
    differences = [_difference(slope, direction, STEPS[dtype] * factor) for factor in (1.0, 0.25)]
    size = max(abs(expected), *map(abs, differences), 1e-6)
    spread = abs(differences[0] - differences[1])  # a kink, or rounding, that says nothing about the gradient
    if min(abs(expected - one) for one in differences) <= TOLERANCES[dtype] * size + spread:
        return ""
    if gradient is None or expected == 0:
        return f"the value depends on {slope.name}, and no gradient reaches it"
    return f"the gradient to {slope.name} is {expected:.4g} along a direction, the difference {differences[1]:.4g}"


@torch.no_grad()
def _difference(slope: Slope, direction: Tensor, step: float) -> float:
    start = slope.leaf.detach().clone()
    values = []
    for sign in (1, -1):
        slope.leaf.copy_(start + sign * step * direction)
        with torch.enable_grad():  # what computes normals by autograd needs it
            values.append(float(slope.function().detach()))
    slope.leaf.copy_(start)
    return (values[0] - values[1]) / (2 * step)
