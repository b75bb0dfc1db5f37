"""Classes of failure, and what is tried again."""

from __future__ import annotations

import signal

import pytest

from maquette.runs.failures import Failure, Limits, again, classify


@pytest.mark.parametrize(
    ("message", "code", "kind"),
    [
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB", 1, "memory"),
        ("RuntimeError: [enforce fail] DefaultCPUAllocator: not enough memory: you tried", 1, "memory"),
        ("MemoryError", 1, "memory"),
        ("error: step 7: not finite: sds (1 in a row); details in x", 1, "nonfinite"),
        ("nerf: 10/400  loss 1", -signal.SIGKILL, "lost"),
        ("", 128 + signal.SIGTERM, "lost"),
        ("error: stages.nerf.steps: there is no such key", 2, "other"),
        ("", 3, "other"),
    ],
)  # fmt: skip
def test_a_failure_is_classed_by_its_last_words_and_its_exit_code(message, code, kind):
    failure = classify(message, code)
    assert failure.kind == kind and failure.message


def test_a_failure_without_words_names_the_signal_or_the_code():
    assert classify("", -signal.SIGKILL).message == "its process was ended by SIGKILL"
    assert classify("", 3).message == "exit code 3"


def of(*kinds: str) -> list[Failure]:
    return [Failure(kind, "") for kind in kinds]


def test_what_was_lost_goes_on_as_often_as_the_limits_allow():
    assert again(of("lost"), Limits(lost=2), False) == again(of("lost", "lost"), Limits(lost=2), False) == "same"
    assert again(of("lost", "lost", "lost"), Limits(lost=2), False) == again(of("lost"), Limits(), False) == ""


def test_out_of_memory_is_tried_once_with_less_and_what_is_not_finite_never():
    assert again(of("memory"), Limits(), True) == "smaller"
    assert again(of("memory"), Limits(), False) == again(of("memory", "memory"), Limits(), True) == ""
    assert again(of("nonfinite"), Limits(lost=9), True) == again(of("other"), Limits(lost=9), True) == ""
    assert again(of("time"), Limits(seconds=1, lost=9), True) == ""
