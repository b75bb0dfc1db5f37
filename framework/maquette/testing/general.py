"""The checks that are the same for every kind of part, as one table."""

from __future__ import annotations

import io
from typing import Any

import torch
from torch import nn

from maquette import registry
from maquette.errors import MaquetteError, one_line
from maquette.randomness import seed_global_generators
from maquette.testing.derivatives import check_finite_differences, check_gradients
from maquette.testing.documentation import check_documented
from maquette.testing.settings import check_config, check_messages
from maquette.testing.traces import check_leaves_nothing
from maquette.testing.trial import Check, Fault, Output, Situation, Skip, Trial, difference, leaves, tensors

PRECISION = 1e-4  # by which a range may be exceeded


def _contract(trial: Trial) -> None:
    if lacks := registry.missing_requirements(trial.kind, trial.cls):
        raise Fault(f"it lacks {', '.join(lacks)}")


def _works(trial: Trial) -> None:
    if not trial.fresh():
        raise Fault("nothing came out")


def _shapes(trial: Trial) -> None:
    for output in trial.fresh():
        if output.shape is None:
            continue
        shape = tuple(getattr(output.value, "shape", ("no tensor",)))
        if shape != output.shape:
            raise Fault(f"{output.name} has the shape {shape}, and should have {output.shape}")


def _types(trial: Trial) -> None:
    any_tensor = False
    for name, value in leaves(trial.fresh()):
        dtype = str(getattr(value, "dtype", "")).removeprefix("torch.")
        any_tensor = any_tensor or bool(dtype)
        if dtype in ("float64", "float16", "bfloat16", "complex64", "complex128"):
            raise Fault(f"{name} is {dtype}, and should be float32")
    if not any_tensor:
        raise Skip("it gives no tensors")


def _devices(trial: Trial) -> None:
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    any_tensor = False
    for device in devices:
        for name, value in leaves(trial.fresh(Situation(device=device))):
            if isinstance(value, torch.Tensor):
                any_tensor = True
                if value.device.type not in ("cpu", device):
                    raise Fault(f"{name} is on {value.device}, its inputs on {device}")
    if not any_tensor:
        raise Skip("it gives no tensors")


def _values(trial: Trial) -> None:
    for output in trial.fresh():
        for name, value in tensors(output):
            if not value.is_floating_point() or not value.numel():
                continue
            if not torch.isfinite(value).all():
                raise Fault(f"{name} has numbers that are not finite")
            _check_range(output, name, value)


def _check_range(output: Output, name: str, value: torch.Tensor) -> None:
    low, high = float(value.detach().min()), float(value.detach().max())
    if output.low is not None and low < output.low - PRECISION:
        raise Fault(f"{name} goes down to {low:g}, and {output.low:g} is the least")
    if output.high is not None and high > output.high + PRECISION:
        raise Fault(f"{name} goes up to {high:g}, and {output.high:g} is the most")


def _batches(trial: Trial) -> None:
    for batch in (1, 4):
        try:
            outputs = trial.fresh(Situation(batch=batch))
        except Skip:
            raise
        except Exception as problem:
            raise Fault(f"a batch of {batch} ends in {one_line(problem)}") from None
        for output in outputs:
            shape = tuple(getattr(output.value, "shape", ()))
            if output.shape is not None and len(shape) == len(output.shape) and shape != output.shape:
                raise Fault(f"a batch of {batch}: {output.name} has the shape {shape}, not {output.shape}")


def _deterministic(trial: Trial) -> None:
    """Two new parts under one key give the same, whatever the state of the global generators."""
    results = []
    for stream in ("one", "other"):
        seed_global_generators(0, stream)
        results.append(trial.fresh())
    if name := difference(results[0], results[1]):
        raise Fault(f"{name} differs between two parts of one config under one key; draw from moment.draws")


def _stateless(trial: Trial) -> None:
    part = trial.build()
    if name := difference(trial.use(part), trial.use(part)):
        raise Fault(f"{name} differs between two uses of one part under one key")


def _state(trial: Trial) -> None:
    part = trial.build()
    if not isinstance(part, nn.Module):
        raise Skip("it has no state")
    if hidden := _hidden_parameters(part):
        raise Fault(f"checkpoints do not hold {hidden}; make it a parameter, a buffer or a submodule")
    trial.procedure.train(trial, part)
    buffer = io.BytesIO()
    torch.save(part.state_dict(), buffer)
    expected = trial.use(part)
    other = trial.build()
    buffer.seek(0)
    other.load_state_dict(torch.load(buffer, weights_only=True))
    if name := difference(expected, trial.use(other)):
        raise Fault(f"{name} is another after saving and loading; what changes in training is a parameter or a buffer")


def _hidden_parameters(part: nn.Module) -> str:
    """The name of an attribute that holds networks or parameters which the module does not register."""
    registered = {id(parameter) for parameter in part.parameters()}
    for name, value in vars(part).items():
        if name.startswith("_") or name == "config":
            continue
        items: Any = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
        for item in items:
            inner = list(item.parameters()) if isinstance(item, nn.Module) else [item]
            if any(isinstance(one, nn.Parameter) and id(one) not in registered for one in inner):
                return name
    return ""


def _nan(trial: Trial) -> None:
    part = trial.build()
    try:
        outputs = trial.use(part, Situation(spoiled=True))
    except (MaquetteError, ValueError) as problem:
        if "\n" in str(problem):
            raise Fault(f"inputs that are not numbers end in {len(str(problem).splitlines())} lines") from None
        return
    numbers = [value for _, value in tensors(outputs) if value.is_floating_point()]
    if not numbers:
        raise Skip("it gives no numbers")
    if all(value.numel() and torch.isfinite(value).all() for value in numbers):
        raise Fault("inputs that are not numbers give finite results, so that nobody notices them")


GENERAL: tuple[Check, ...] = (
    Check("contract", "the class has the base class, methods and attributes of its kind", _contract),
    Check("documented", "a first line, shapes in signatures, a comment for every setting", check_documented),
    Check("config", "Config is frozen, and the same after a way through YAML", check_config),
    Check("messages", "a wrong value is refused in one line that names the setting", check_messages),
    Check("works", "it can be built and used", _works),
    Check("shapes", "results have the shapes of the contract", _shapes),
    Check("types", "results are float32", _types),
    Check("devices", "results are where the inputs are", _devices),
    Check("values", "results are finite and in their range", _values),
    Check("batches", "batches of 1 and 4 work", _batches),
    Check("deterministic", "two parts under one key give the same, whatever the global generators", _deterministic),
    Check("stateless", "two uses of one part under one key give the same", _stateless),
    Check("gradients", "gradients are finite and reach an input or a parameter", check_gradients),
    Check("differences", "gradients are equal to finite differences", check_finite_differences),
    Check("state", "a saved and loaded part is the same", _state),
    Check("nan", "inputs that are not numbers are not hidden", _nan),
    Check("traces", "nothing is left behind: random states, logging, files, threads, output", check_leaves_nothing),
)
"""Every part passes these, as far as they apply to its kind."""

FIRST = ("contract", "works")
"""Checks whose failure makes the later ones pointless."""
