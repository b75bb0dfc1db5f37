"""Draws are a function of (seed, step, stream), and the names of streams stay as they are."""

from __future__ import annotations

import ast
import random

import numpy as np
import torch

from maquette.randomness import Draws, Moment, seed_global_generators
from project import ROOT

STREAMS = {
    "above", "active", "after", "amplitude", "angles", "azimuth", "background", "background-kind", "batch",
    "blur", "camera", "cameras", "cells", "coarse", "convert", "copy", "course", "crop", "data",
    "direction", "distance", "drop", "drop-caption", "drop-condition", "dropout", "elevation",
    "elevation-kind", "energy", "epoch", "evaluate", "fill", "fov", "gain", "heading", "height",
    "inversion", "jitter", "known", "light", "light-distance", "look", "loss", "material", "mesh",
    "mesh_views", "mirror", "noise", "occupancy", "occupancy-", "offset", "order", "ours", "pair", "path",
    "patch-left", "patch-top", "photograph_crop", "picture", "places", "pose", "position", "predicted",
    "projection", "reference", "reference-noise", "render", "renderer", "sample", "seen", "shading",
    "shape", "sheet", "shift", "side", "sigma", "split", "start", "step", "style", "styles", "surface", "target", "tau",
    "template", "timestep", "tokens", "truth", "turned", "turns", "up", "verify", "volume", "warm-up",
    "world", "zero123plus", "zoom",
}  # fmt: skip
"""Every stream of the framework, "_" for a space. A name is part of the key of its random numbers: renaming
one changes the results of all runs that draw from it."""

METHODS = ("sub", "uniform", "normal", "integers", "generator")


def _names(tree: ast.AST) -> set[str]:
    """Texts that are handed to draws as the name of a stream or a namespace."""
    names = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        function, argument = node.func, None
        if isinstance(function, ast.Attribute) and function.attr in METHODS:
            owner = ast.unparse(function.value)
            argument = (
                node.args[0] if any(word in owner for word in ("draws", "moment", "Draws", "self", "part")) else None
            )
        if isinstance(function, ast.Name) and function.id == "Draws" and len(node.args) > 2:
            argument = node.args[2]
        texts = [part.value for part in ast.walk(argument) if isinstance(part, ast.Constant)] if argument else []
        names |= {text.strip("/ ").replace(" ", "_") for text in texts if isinstance(text, str)}
    return {name for name in names if name and not set(name) & set("([")}


def test_the_table_has_every_stream_and_no_other() -> None:
    package = ROOT / "framework" / "maquette"
    checks = package / "testing"  # whose inputs are no run's
    files = [path for path in package.rglob("*.py") if not path.is_relative_to(checks)]
    assert set().union(*(_names(ast.parse(path.read_text())) for path in files)) == STREAMS


def test_equal_keys_give_equal_numbers_and_others_do_not() -> None:
    one, again = Draws(0, 7).normal("noise", 4), Draws(0, 7).normal("noise", 4)
    others = [Draws(1, 7).normal("noise", 4), Draws(0, 8).normal("noise", 4), Draws(0, 7).normal("nois", 4)]
    assert torch.equal(one, again) and not any(torch.equal(one, other) for other in others)


def test_a_namespace_is_part_of_the_key() -> None:
    moment = Moment.at(step=3, total=10, seed=0)
    assert torch.equal(moment.sub("a").draws.uniform("x", 3), moment.draws.sub("a").uniform("x", 3))
    assert not torch.equal(moment.sub("a").draws.uniform("x", 3), moment.sub("b").draws.uniform("x", 3))


def test_progress_goes_from_zero_to_one() -> None:
    assert [Moment.at(step, 4, 0).progress for step in (0, 1, 4, 9)] == [0.0, 0.25, 1.0, 1.0]


def test_global_generators_repeat_by_seed_and_stream():
    def drawn(seed: int, stream: str) -> tuple[float, float, float]:
        seed_global_generators(seed, stream)
        return random.random(), float(np.random.rand()), float(torch.rand(()))

    assert drawn(3, "nerf") == drawn(3, "nerf")
    assert len({drawn(3, "nerf"), drawn(3, "mesh"), drawn(4, "nerf")}) == 3
