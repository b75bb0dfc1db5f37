"""Tensors drawn by their names, so that a fixture holds what a network makes of them, and not the tensors."""

import hashlib
import math

import numpy as np
import torch


def drawn(name: str, shape: list[int]) -> torch.Tensor:
    """The tensor of that name: small numbers about 0, about 1 for the weights of norms; equal on every machine."""
    seed = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")
    values = torch.from_numpy(np.random.Generator(np.random.PCG64(seed)).standard_normal(shape)).float()
    if len(shape) > 1:
        return values / math.sqrt(math.prod(shape[1:]))
    return values * 0.1 + (1.0 if name.endswith("weight") else 0.0)
