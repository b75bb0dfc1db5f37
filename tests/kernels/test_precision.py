"""Kernels leave autocast, and otherwise take what they are given."""

import torch

from maquette.kernels.precision import in_float32, without_autocast

HALF = torch.ones(2, 2, dtype=torch.bfloat16)


def product(first: torch.Tensor, *, second: torch.Tensor) -> torch.Tensor:
    return first @ second


def test_under_autocast_halves_are_widened_and_the_product_is_in_float32():
    with torch.autocast("cpu", torch.bfloat16):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16
        assert in_float32(product)(HALF, second=HALF).dtype == torch.float32
        assert in_float32(product)(HALF.double(), second=HALF.double()).dtype == torch.float64
        assert torch.is_autocast_enabled("cpu")


def test_without_autocast_a_function_gets_what_it_is_given():
    assert in_float32(product)(HALF, second=HALF).dtype == torch.bfloat16
    assert in_float32(product).__name__ == "product"


def test_inside_the_block_operations_keep_the_precision_of_their_inputs():
    with torch.autocast("cpu", torch.bfloat16), without_autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
