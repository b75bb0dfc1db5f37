"""Kernels that another process compiles: a first launch waits for their names, and for no others."""

import subprocess
import sys

import pytest
import torch

from maquette.kernels import warm_up
from maquette.kernels.numba_support import helper, launch


def compiling(script: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-uc", script], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


@pytest.fixture(autouse=True)
def _nobody_is_followed():
    yield
    warm_up.stop()
    warm_up.announce(None)


def _negate(values, out) -> None:
    for i in range(len(values)):
        out[i] = -values[i]


NAME = f"{__name__}._negate"


def test_a_first_launch_waits_for_its_name_alone():
    process = compiling(f"print('another'); print({NAME!r}); input()")
    warm_up.follow(process)
    out = torch.zeros(2)
    launch(helper(_negate), torch.ones(2), out)
    assert out.tolist() == [-1, -1] and process.poll() is None
    warm_up.stop()
    assert process.poll() is not None


def test_a_process_that_ends_without_the_name_is_waited_for_no_longer():
    process = compiling("print('another')")
    warm_up.follow(process)
    launch(helper(_negate), torch.ones(2), torch.zeros(2))
    assert process.poll() == 0


def test_only_first_launches_are_announced_by_their_names():
    names: list[str] = []
    warm_up.announce(names.append)
    negate = helper(_negate)
    for _ in range(2):
        launch(negate, torch.ones(2), torch.zeros(2))
    assert names == [NAME]
