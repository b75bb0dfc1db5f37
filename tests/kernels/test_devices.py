"""On how many threads torch computes."""

import pytest
import torch

from maquette.kernels import devices


@pytest.mark.parametrize(("variable", "threads"), [(None, 1), ("2", 2)])
def test_torch_is_held_to_the_available_cores_unless_the_user_says_how_many(monkeypatch, variable, threads):
    monkeypatch.setattr(devices, "available_cores", lambda: 1)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if variable is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", variable)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        devices.limit_threads()
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
