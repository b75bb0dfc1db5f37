"""Settings of the training loop, for every stage that trains or optimises."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from maquette.annotations import Count, CountOrNone, Fraction, NonNegative
from maquette.config.parts import CallbackSpec, StopSpec

INTERVALS = tuple(
    f"loop.{name}"
    for name in (
        "checkpoint_every", "keep_checkpoints", "preview_every", "log_every", "nonfinite*", "device", "cudnn*",
        "callbacks*", "stop*",
    )
)  # fmt: skip
"""Patterns of keys that change how a run is watched, where it computes and when it ends, and not what a step computes.
"""


@dataclass(frozen=True)
class LoopConfig:
    """Settings of a training loop."""

    checkpoint_every: CountOrNone = 0  # steps between checkpoints; 0: only at the end and on a stop signal
    keep_checkpoints: Count = 2  # how many to keep
    preview_every: CountOrNone = 0  # steps between images in previews/; 0: none
    log_every: CountOrNone = 10  # steps between lines in metrics.jsonl
    gradient_clip: NonNegative = 0.0  # largest norm of the whole gradient; 0: no clipping
    nonfinite: Literal["raise", "skip"] = "raise"  # end the run, or skip the step, at a non-finite loss or gradient
    nonfinite_limit: Count = 10  # skipped steps in a row that end the run
    precision: Literal["32-true", "bf16-mixed", "auto"] = (
        "32-true"  # bf16-mixed: bfloat16 in networks, float32 elsewhere; auto: bf16-mixed on CUDA, 32-true on a CPU
    )
    optimiser: Literal["adamw", "adamax", "muon", "adam-uniform"] = (
        "adamw"  # muon: for a learner's matrices, with AdamW for the rest; adam-uniform: for the points of a shape
    )
    betas: tuple[Fraction, Fraction] = (0.9, 0.99)  # Adam's decay rates
    epsilon: NonNegative = 1e-15  # Adam's epsilon
    weight_decay: NonNegative = 0.0  # decoupled (AdamW)
    device: Literal["auto", "cpu", "cuda"] = "auto"  # where to compute
    callbacks: dict[str, CallbackSpec] = field(default_factory=dict)  # what else happens between steps
    stop: dict[str, StopSpec] = field(default_factory=dict)  # when the loop ends before its last step
    cudnn_benchmark: bool = False  # on CUDA: faster convolutions, at the cost of bit-for-bit repetition
