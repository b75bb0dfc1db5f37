from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "install_torch.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("install_torch", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def report(*names: str) -> dict:
    return {"install": [{"metadata": {"name": name, "version": "1"}} for name in names]}


WITH_CUDA = report("torch", "filelock", "nvidia-cublas", "NVIDIA-cudnn-cu13", "cuda-bindings", "triton")
WITHOUT = report("torch", "filelock", "sympy")


def test_cuda_libraries_are_known_by_name(script: ModuleType) -> None:
    assert script.cuda_libraries(WITH_CUDA) == ["cuda-bindings", "nvidia-cublas", "nvidia-cudnn-cu13", "triton"]
    assert script.cuda_libraries(WITHOUT) == script.cuda_libraries({}) == []


def test_the_cpu_build_is_taken_only_where_pip_brings_cuda_to_a_machine_without_a_driver(script: ModuleType) -> None:
    assert script.choose_index(WITH_CUDA, driver=False) == ["--index-url", script.CPU_BUILDS]
    assert script.choose_index(WITH_CUDA, driver=True) == []
    assert script.choose_index(WITHOUT, driver=False) == []
    assert script.choose_index({}, driver=False) == []


@pytest.mark.parametrize(("names", "index"), [(("torch", "nvidia-nccl"), True), (("torch",), False)])
def test_pip_is_asked_first_and_then_installs_from_the_index_that_follows(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path,
    names: tuple[str, ...], index: bool,
) -> None:  # fmt: skip
    """A pip of three lines in place of the real one, which would fetch gigabytes."""
    log = tmp_path / "calls"
    stand_in = tmp_path / "python"
    stand_in.write_text(
        f'#!/bin/sh\necho "$@" >> {log}\ncase "$*" in *--dry-run*) echo \''
        + str(report(*names)).replace("'", '"')
        + "';; esac\n"
    )
    stand_in.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(stand_in))
    monkeypatch.setattr(script, "has_driver", lambda: False)
    monkeypatch.setattr(sys, "argv", ["install_torch.py", "torch==2.13.0", "-c", "constraints.txt"])
    assert script.main() == 0
    asked, installed = log.read_text().splitlines()
    assert "--dry-run --report - torch==2.13.0 -c constraints.txt" in asked
    assert installed.endswith(
        "torch==2.13.0 -c constraints.txt" + (f" --index-url {script.CPU_BUILDS}" if index else "")
    )
    assert ("CUDA" in capsys.readouterr().out) == index
