"""States of the process are read, compared and restored."""

import logging
import os
import random

import numpy as np
import pytest
import torch

from maquette.plugins.states import guard_states, restore_states


def quieten():
    logging.getLogger().setLevel(logging.CRITICAL)


@pytest.mark.parametrize(
    ("change", "name", "read"),
    [
        (lambda: torch.set_default_dtype(torch.float64), "torch's default dtype", torch.get_default_dtype),
        (lambda: torch.set_default_device("meta"), "torch's default device", torch.get_default_device),
        (lambda: torch.manual_seed(9), "torch's random state", torch.initial_seed),
        (lambda: np.random.seed(9), "numpy's random state", lambda: np.random.get_state()[1][0]),
        (lambda: random.seed(9), "Python's random state", random.getstate),
        (lambda: logging.root.addHandler(logging.NullHandler()), "the root logger", lambda: logging.root.handlers[:]),
        (quieten, "the root logger", lambda: logging.root.level),
        (lambda: logging.disable(logging.CRITICAL), "the root logger", lambda: logging.root.manager.disable),
        (lambda: os.chdir("/"), "the working folder", os.getcwd),
    ],
)  # fmt: skip
def test_a_changed_state_is_named_and_restored(change, name, read, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before, value = guard_states(), read()
    change()
    assert restore_states(before) == [name]
    assert read() == value


def test_unchanged_states_are_left_alone():
    assert restore_states(guard_states()) == []
