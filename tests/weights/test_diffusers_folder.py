"""`dtype: auto` is half precision only where the device, as it may be used, is faster with it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from maquette.weights.diffusers_folder import choose_dtype

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _a_server(monkeypatch):
    """A processor with avx512_bf16 that nothing holds back."""
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    monkeypatch.delenv("DNNL_MAX_CPU_ISA", raising=False)


def test_a_processor_with_the_instructions_takes_bfloat16():
    assert choose_dtype("auto", CPU) is torch.bfloat16


@pytest.mark.parametrize("variable", ["ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"])
@pytest.mark.parametrize("limit", ["AVX2", "avx2", "AVX512_CORE"])
def test_onednn_held_to_less_takes_float32(monkeypatch, variable, limit):
    monkeypatch.setenv(variable, limit)
    assert choose_dtype("auto", CPU) is torch.float32


@pytest.mark.parametrize("limit", ["ALL", "DEFAULT", "AVX512_CORE_BF16", "AVX512_CORE_AMX", ""])
def test_onednn_held_to_no_less_takes_bfloat16(monkeypatch, limit):
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    assert choose_dtype("auto", CPU) is torch.bfloat16


def test_torch_held_to_less_takes_float32(monkeypatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    assert choose_dtype("auto", CPU) is torch.float32


def test_a_processor_without_them_takes_float32(monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    assert choose_dtype("auto", CPU) is torch.float32


def test_what_is_named_is_taken(monkeypatch):
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    assert choose_dtype("bfloat16", CPU) is torch.bfloat16


@pytest.mark.slow
def test_torch_reads_its_own_variable():
    code = (
        "import torch; from maquette.weights.diffusers_folder import choose_dtype; "
        "assert choose_dtype('auto', torch.device('cpu')) is torch.float32"
    )
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "ATEN_CPU_CAPABILITY": "avx2"}, check=True)
