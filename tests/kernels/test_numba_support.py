"""What all numba kernels share: compilation, and tensors as views of their own memory."""

import torch

from maquette.kernels.numba_support import helper, launch, threads


@helper
def _doubled(value: float) -> float:
    return 2 * value


@helper
def _double(values, out) -> None:
    for i in range(len(values)):
        out[i] = _doubled(values[i])


def test_a_launch_writes_into_the_tensors_that_it_is_given():
    values, out = torch.arange(3.0, requires_grad=True), torch.zeros(3)
    launch(_double, values, out)
    assert out.tolist() == [0, 2, 4]


def test_a_launch_leaves_torchs_threads_as_they_are():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        assert threads() == 1
        launch(_double, torch.ones(1), torch.zeros(1))
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
