"""Which backend is taken, what a refusal says, and what stays unloaded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numba
import pytest
import torch
from interpreted import needs_triton

from maquette.errors import ConfigError, MissingDependency
from maquette.kernels import backends
from maquette.kernels.backends import ENVIRONMENT_VARIABLE, choose, describe
from maquette.kernels.compositing import composite
from maquette.kernels.numba_support import kernel, launch, threads

FRAMEWORK = Path(backends.__file__).parents[2]


@pytest.fixture(autouse=True)
def _fresh_choices(monkeypatch):
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)
    _forget()
    yield
    _forget()


def _forget() -> None:
    backends._automatic.cache_clear()
    backends._import_problem.cache_clear()
    backends._load.cache_clear()


@pytest.fixture
def without_numba(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)


def run_python(code: str, **environment: str) -> str:
    variables = {**os.environ, "PYTHONPATH": str(FRAMEWORK), **environment}
    done = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@needs_triton
def test_auto_takes_numba_on_the_cpu_and_triton_on_cuda():
    assert choose("hash-grid", device="cpu").backend == "numba"
    on_cuda = choose("hash-grid", device="cuda")
    assert on_cuda.backend == "triton" and "numba does not run on cuda" in on_cuda.reason


def test_auto_without_triton_takes_the_reference_on_cuda_and_says_what_is_missed(monkeypatch):
    monkeypatch.setitem(sys.modules, "triton", None)
    on_cuda = choose("compositing", device="cuda")
    assert on_cuda.backend == "reference" and "pip install triton" in on_cuda.missed


@pytest.mark.parametrize(("kernel", "adapter"), [("rasterise", "nvdiffrast"), ("splatting", "gsplat")])
def test_auto_passes_over_an_adapter_that_is_untested(kernel, adapter):
    on_cuda = choose(kernel, device="cuda")
    assert on_cuda.backend != adapter
    assert f"{adapter} is untested on CUDA yet, taken only when named" in on_cuda.reason


@needs_triton
def test_triton_takes_cpu_tensors_only_when_named_and_interpreted(monkeypatch):
    assert choose("compositing", "triton", "cpu").backend == "triton"
    monkeypatch.delenv("TRITON_INTERPRET")
    with pytest.raises(ConfigError, match=r"does not run on cpu.*TRITON_INTERPRET=1 emulates it there"):
        choose("compositing", "triton", "cpu")


def test_the_environment_overrides_auto_and_an_argument_overrides_both(monkeypatch):
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, "reference")
    assert choose("marching").backend == "reference"
    assert choose("marching", "numba").backend == "numba"


def test_auto_without_numba_takes_the_reference_and_says_so(without_numba, caplog):
    assert choose("compositing").backend == "reference"
    composite(torch.ones(1), torch.ones(1), torch.tensor([0, 1]))
    assert "pip install numba" in caplog.text


def test_a_named_backend_without_its_package_is_refused(without_numba):
    with pytest.raises(MissingDependency, match="pip install numba"):
        composite(torch.ones(1), torch.ones(1), torch.tensor([0, 1]), backend="numba")


def test_a_named_backend_on_the_wrong_device_is_refused():
    with pytest.raises(ConfigError, match="does not run on cuda; on cuda take 'auto' or: triton, reference"):
        choose("hash-grid", "numba", "cuda")


def test_an_unknown_backend_gets_the_nearest_name(monkeypatch):
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, "nunba")
    with pytest.raises(ConfigError, match=f"named by {ENVIRONMENT_VARIABLE}.*did you mean 'numba'"):
        choose("hash-grid")


def test_describe_tells_every_kernel_and_even_a_refusal(monkeypatch):
    assert {(row.kernel, row.device) for row in describe()} == {
        (kernel, device) for kernel in backends.KERNELS for device in ("cpu", "cuda")
    }
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, "numba")
    written = {kernel for kernel, (_, offered) in backends.KERNELS.items() if "numba" in offered}
    refused = [row for row in describe() if row.device == "cuda" and row.kernel in written]
    assert all(row.backend == "none" and "does not run on cuda" in row.reason for row in refused)


def test_the_page_of_kernels_names_each_one_and_its_example_runs():
    page = (FRAMEWORK.parent / "docs" / "kernels.md").read_text()
    assert all(f"| {kernel} |" in page for kernel in backends.KERNELS)
    assert all(name in page for name in (*backends.BACKENDS, ENVIRONMENT_VARIABLE))
    example = page.split("```python\n")[1].split("```")[0]
    exec(example, {})


def test_importing_kernels_does_not_import_numba():
    code = (
        "import sys, maquette.kernels.backends, maquette.kernels.hash_grid, maquette.kernels.compositing,"
        " maquette.kernels.marching; print('numba' in sys.modules)"
    )
    assert run_python(code) == "False"


def test_importing_the_package_of_kernels_does_not_import_torch():
    assert (
        run_python("import sys, maquette.kernels, maquette.kernels.backends; print('torch' in sys.modules)") == "False"
    )


def test_the_first_launch_leaves_the_threads_of_torch_alone():
    code = (
        "import torch; from maquette.kernels.compositing import composite; torch.set_num_threads(1);"
        "composite(torch.ones(1), torch.ones(1), torch.tensor([0, 1]), backend='numba'); print(torch.get_num_threads())"
    )
    assert run_python(code) == "1"


def test_threads_follow_torch():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    assert threads() == 1
    torch.set_num_threads(before)


def test_a_kernel_without_a_writable_cache_is_compiled_in_memory(monkeypatch, caplog):
    compile_function = numba.njit

    def nowhere_to_write(*functions, **options):
        if options.get("cache") is True:
            raise RuntimeError("cannot cache function 'double': no locator available for file 'double.py'")
        return compile_function(*functions, **options)

    def double(values):
        for i in numba.prange(len(values)):
            values[i] *= 2

    monkeypatch.setattr(numba, "njit", nowhere_to_write)
    values = torch.ones(3)
    launch(kernel(double), values)
    assert values.tolist() == [2.0, 2.0, 2.0] and "NUMBA_CACHE_DIR" in caplog.text


def test_the_variable_leaves_kernels_alone_that_lack_its_backend(monkeypatch):
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, "numba")
    row = choose("flexicubes")
    assert row.backend == "reference" and row.reason.startswith("it has no numba")


def test_a_backend_of_a_plugin_is_taken_where_it_is_named(monkeypatch):
    backend = backends.Backend("maquette.kernels.hash_grid.reference", requires="numpy", note="of plugin acme")
    monkeypatch.setattr(backends, "_offered", {("hash-grid", "acme"): backend})
    assert backends.implementation("hash-grid", "acme", "cpu").__name__ == "maquette.kernels.hash_grid.reference"
    assert backends.choose("hash-grid").backend != "acme"
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, "acme")
    assert backends.choose("hash-grid").backend == "acme"
    assert "it has no acme" in backends.choose("compositing").reason
    monkeypatch.setattr(backends, "_offered", {})
    with pytest.raises(ConfigError, match="no backend 'acme'"):
        backends.choose("hash-grid")
