"""Freed blocks stay with the process where its library allows it."""

import sys

import pytest

from maquette.training.memory import keep_freed_memory


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc")
def test_a_freed_block_is_used_again_without_new_pages():
    import resource

    import torch

    keep_freed_memory()

    def faults_of_one_block() -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.ones(16 * 2**20 // 4)
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    faults_of_one_block()
    assert min(faults_of_one_block() for _ in range(10)) < 200  # mapped anew it would be 4,096
