"""The procedure of losses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from maquette.cameras.base import Cameras
from maquette.config.capabilities import GEOMETRY, RENDERING, TARGET, bare, within
from maquette.data.base import Target
from maquette.errors import one_line
from maquette.losses.base import Comparison, Probe, RenderContext
from maquette.objectives.terms import Terms
from maquette.randomness import Draws
from maquette.renderers.base import Rendering
from maquette.testing import inputs
from maquette.testing.trial import Check, Fault, Output, Procedure, Situation, Skip, Slope, Trial

ENTRIES = ("rgb", "opacity", "depth", "normal")
SAMPLE_ENTRIES = ("weights", "normals", "gradients")
OPTIONAL = ("normal", "samples", "mesh", "projections", "latents")


def _geometry(trial: Trial) -> Any:
    needs = within(GEOMETRY, trial.capabilities.needs)
    geometry = inputs.geometry(needs)
    for name, one in geometry.named_parameters():  # a fresh grid is flat
        if one.numel():
            one.data += 0.02 * Draws(0, 0).normal(name, one.numel()).view_as(one)
    return geometry


def _build_loss(trial: Trial) -> Any:
    loss = trial.cls(trial.config)
    if hasattr(loss, "prepare"):
        loss.prepare(inputs.request())
    return loss


def _rendering(geometry: Any, views: Cameras, dtype: torch.dtype = torch.float32, spoiled: bool = False) -> Rendering:
    """A rendering whose mesh is the geometry's, if that is one."""
    rendering = inputs.rendering(views, dtype, spoiled)
    return replace(rendering, mesh=geometry.mesh()) if geometry.form == "surface" else rendering


def _term(loss: Any, rendering: Rendering, geometry: Any, views: Cameras, target: Target, seed: int = 0) -> Tensor:
    """The loss's number, whatever of the three kinds it is, and whether it gives one term or several."""
    result = _call(loss, rendering, geometry, views, target, seed)
    return result.total() if isinstance(result, Terms) else result


def _call(loss: Any, rendering: Rendering, geometry: Any, views: Cameras, target: Target, seed: int) -> Tensor | Terms:
    if isinstance(loss, Comparison):
        return loss(rendering, target)
    if isinstance(loss, Probe):
        again = replace(rendering, rgb=rendering.rgb * 0.9, depth=rendering.depth + 0.1)
        return loss(rendering, RenderContext(views, geometry, lambda cameras: again, Draws(seed, 3).sub("loss")))
    return loss(rendering, geometry)


def _use_loss(trial: Trial, loss: Any, situation: Situation) -> list[Output]:
    views = inputs.cameras(situation.batch, seed=situation.seed)
    geometry = _geometry(trial)
    rendering = _rendering(geometry, views, spoiled=situation.spoiled)
    if situation.spoiled and within(GEOMETRY, trial.capabilities.needs):
        raise Skip("its numbers are the geometry's, which is checked itself")
    target = inputs.target(views, situation.spoiled)
    return [Output("the term", _term(loss, rendering, geometry, views, target, situation.seed), ())]


def _slopes(trial: Trial, loss: Any, dtype: torch.dtype) -> list[Slope]:
    views, geometry = inputs.cameras(2), _geometry(trial)
    if hasattr(loss, "to"):
        loss.to(dtype)
    rendering = _rendering(geometry, views, dtype)
    target = inputs.target(views)
    picture = replace(target.picture, color=target.picture.color.to(dtype), alpha=target.picture.alpha.to(dtype))
    assert target.depth is not None and target.normal is not None
    target = replace(target, picture=picture, depth=target.depth.to(dtype), normal=target.normal.to(dtype))
    samples = rendering.samples

    def term() -> Tensor:
        return _term(loss, rendering, geometry, views, target)

    leaves = {name: getattr(rendering, name) for name in ENTRIES}
    leaves |= {f"the samples' {name}": getattr(samples, name) for name in SAMPLE_ENTRIES}
    if rendering.mesh is not None and rendering.mesh.vertices.is_leaf:
        leaves["the mesh's vertices"] = rendering.mesh.vertices
    if within(GEOMETRY, trial.capabilities.needs):
        leaves |= {f"the geometry's {name}": one for name, one in geometry.named_parameters() if one.requires_grad}
        if geometry.form == "surface":

            def term() -> Tensor:
                return _term(loss, replace(rendering, mesh=geometry.mesh()), geometry, views, target)

    return [Slope(name, leaf, term) for name, leaf in leaves.items()]


def _declared(trial: Trial) -> None:
    """With what capabilities name and nothing else, it works."""
    needs = trial.capabilities.needs
    views, geometry = inputs.cameras(2), _geometry(trial)
    rendering = _rendering(geometry, views)
    entries = bare(within(RENDERING, needs))
    absent: dict[str, Any] = {name: None for name in OPTIONAL if name not in entries}
    samples = rendering.samples
    if "samples" in entries and "normal" not in entries and samples is not None:
        absent["samples"] = replace(samples, normals=None, gradients=None)
    target, named = inputs.target(views), bare(within(TARGET, needs))
    depth, normal = (getattr(target, name) if name in named else None for name in ("depth", "normal"))
    target = replace(target, depth=depth, normal=normal)
    try:
        _term(trial.build(), replace(rendering, **absent), geometry, views, target)
    except Exception as problem:
        without = ", ".join(sorted(absent))
        raise Fault(
            f"without what it does not name in capabilities ({without}) it ends in {one_line(problem)}"
        ) from None


LOSS = Procedure(
    _use_loss,
    minimum=13,
    build=_build_loss,
    slopes=_slopes,
    checks=(Check("declared", "capabilities name everything that it reads", _declared),),
)
