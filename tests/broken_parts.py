"""Parts that are wrong in one way each: from a good class to a broken one, by kind and the check that fails."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from maquette.config.capabilities import RENDERED_NORMAL, TARGET_DEPTH, condition, trainable_copy
from maquette.config.schedules import Schedule
from maquette.geometry.base import ChangedRows, SurfaceMesh
from maquette.geometry.mesh import TriangleMesh
from maquette.metrics.base import Measurement
from maquette.objectives.terms import Terms
from maquette.stereo.base import Depth3D
from maquette.stereo.estimates import LeftShifts

BROKEN: dict[tuple[str, str], list[Callable[[type], type]]] = {}


def breaks(kind: str, check: str) -> Callable[[Any], Any]:
    """Decorator of a function that gives the changed methods of a part, or its whole class."""

    def decorate(change: Callable[[Any], Any]) -> Any:
        def broken(good: type) -> type:
            made = change(good)
            if isinstance(made, type):
                return made
            return type("Broken", (good,), {"__doc__": "A part that is broken in one way.", **made})

        broken.__name__ = change.__name__
        BROKEN.setdefault((kind, check), []).append(broken)
        return change

    return decorate


def changed(good: Any, method: str, change: Callable[..., Any]) -> dict[str, Any]:
    """The method with `change` applied to its result: change(result, self, *arguments)."""
    original = getattr(good, method)
    return {method: lambda self, *args, **kw: change(original(self, *args, **kw), self, *args)}


@breaks("loss", "contract")
def no_base_class(good):
    return type("Broken", (), {"Config": good.Config, "__doc__": good.__doc__})


@breaks("loss", "documented")
def no_sentence(good):
    return {"__doc__": "Todo"}


@breaks("loss", "documented")
def no_comment_of_a_setting(good):
    @dataclass(frozen=True)
    class Config:
        weight: Schedule = Schedule.constant(1.0)
        margin: float = 0.0

    return {"Config": Config}


@breaks("loss", "config")
def not_frozen(good):
    @dataclass
    class Config:
        weight: Schedule = Schedule.constant(1.0)

    return {"Config": Config}


@breaks("loss", "messages")
def zero_is_a_traceback(good):
    @dataclass(frozen=True)
    class Config:
        weight: Schedule = Schedule.constant(1.0)
        width: float = 1.0  # of the margin

        def __post_init__(self) -> None:
            assert 1 / self.width

    return {"Config": Config}


@breaks("loss", "messages")
def a_refusal_that_names_nothing(good):
    @dataclass(frozen=True)
    class Config:
        weight: Schedule = Schedule.constant(1.0)
        width: float = 1.0  # of the margin

        def __post_init__(self) -> None:
            if self.width < 0:
                raise ValueError("this is wrong")

    return {"Config": Config}


@breaks("loss", "works")
def always_raises(good):
    return changed(good, "__call__", lambda result, *rest: 1 / 0)


@breaks("loss", "shapes")
def a_row_instead_of_a_scalar(good):
    return changed(good, "__call__", lambda result, *rest: result[None])


@breaks("loss", "types")
def float64(good):
    return changed(good, "__call__", lambda result, *rest: result.double())


@breaks("score", "devices")
def on_another_device(good):
    return changed(good, "combine", lambda result, *rest: result.to("meta"))


@breaks("background", "values")
def brighter_than_white(good):
    return changed(good, "forward", lambda result, *rest: result + 0.5)


@breaks("background", "values")
def not_a_number(good):
    return changed(good, "forward", lambda result, *rest: result * torch.nan)


@breaks("loss", "batches")
def four_are_too_many(good):
    def at_most_three(result, self, rendering, geometry):
        if len(rendering.rgb) > 3:
            raise IndexError("index 3 is out of range")
        return result

    return changed(good, "__call__", at_most_three)


@breaks("loss", "deterministic")
def reads_the_global_generator(good):
    return changed(good, "__call__", lambda result, *rest: result + torch.initial_seed() % 97)


@breaks("matting", "stateless")
def counts_its_calls(good):
    def fading(result, self, picture):
        self.calls = getattr(self, "calls", 0) + 1
        return replace(result, alpha=result.alpha / self.calls)

    return changed(good, "__call__", fading)


@breaks("loss", "gradients")
def root_at_zero(good):
    return changed(good, "__call__", lambda result, self, rendering, _: result + (rendering.rgb * 0).sqrt().sum())


@breaks("loss", "differences")
def half_a_gradient(good):
    return changed(good, "__call__", lambda result, *rest: 0.5 * result + 0.5 * result.detach())


@breaks("geometry", "state")
def grows_outside_its_parameters(good):
    def after_step(self, moment):
        self.growth = getattr(self, "growth", 1.0) * 2
        return []

    density = changed(
        good, "query", lambda s, self, *rest: replace(s, density=s.density * getattr(self, "growth", 1.0))
    )
    return {**density, "after_step": after_step}


@breaks("material", "state")
def a_network_in_a_list(good):
    def __init__(self, config):
        good.__init__(self, config)
        self.layers = [nn.Linear(3, 3)]

    return {"__init__": __init__}


@breaks("loss", "nan")
def hides_nan(good):
    def __call__(self, rendering, geometry):
        return (1 - rendering.rgb.nan_to_num()).mean()

    return {"__call__": __call__}


@breaks("loss", "traces")
def prints(good):
    return changed(good, "__call__", lambda result, *rest: (print("hello"), result)[1])


@breaks("loss", "traces")
def configures_the_root_logger(good):
    handler = logging.NullHandler()
    return changed(good, "__call__", lambda result, *rest: (logging.getLogger().addHandler(handler), result)[1])


@breaks("cameras", "rigid")
def scaled_axes(good):
    return changed(good, "sample", lambda cameras, *rest: replace(cameras, c2w=cameras.c2w * 2))


@breaks("material", "pointwise")
def color_of_the_batch(good):
    return {"albedo": lambda self, features: torch.sigmoid(features[:, :3] - features[:, :3].mean(0))}


@breaks("renderer", "background")
def no_background(good):
    def without(rendering, *rest):
        return replace(rendering, rgb=rendering.rgb - (1 - rendering.opacity) * rendering.background)

    return changed(good, "render", without)


@breaks("renderer", "entries")
def promises_normals(good):
    return {"capabilities": classmethod(lambda cls, config: good.capabilities(config).giving(RENDERED_NORMAL))}


@breaks("renderer", "views")
def darker_in_company(good):
    def darker(rendering, *rest):
        return replace(rendering, rgb=rendering.rgb * (1 - 0.3 * rendering.opacity * (len(rendering.rgb) > 1)))

    return changed(good, "render", darker)


@breaks("geometry", "groups")
def a_parameter_twice(good):
    return {"groups": lambda self: {"geometry": list(self.parameters()), "colors": [self.values]}}


@breaks("geometry", "steps")
def no_list_of_changes(good):
    return {"after_step": lambda self, moment: None}


@breaks("geometry", "pointwise")
def density_of_the_batch(good):
    return changed(good, "query", lambda s, *rest: replace(s, density=s.density * s.density / s.density.max()))


@breaks("geometry", "triangles")
def short_indices(good):
    def mesh(self):
        surface = TriangleMesh.mesh(self)
        return SurfaceMesh(surface.vertices, surface.triangles.int())

    settings = {"subdivisions": 1, "colors": "vertex", "move_vertices": True}
    return type("Broken", (TriangleMesh,), {"__doc__": TriangleMesh.__doc__, "mesh": mesh, "example_config": settings})


@breaks("densification", "rows")
def one_row_too_few(good):
    def fewer(changes, *rest):
        return [ChangedRows(change.parameters, change.rows[:-1]) for change in changes]

    return {**changed(good, "adapt", fewer), "example_config": {"every": 1}}


@breaks("prior", "conditions")
def promises_a_condition(good):
    return {"capabilities": classmethod(lambda cls, config: good.capabilities(config).giving(condition("front")))}


@breaks("prior", "frozen")
def predictions_with_a_graph(good):
    return {"predict": good.predict.__wrapped__}


@breaks("prior", "schedule")
def noise_that_falls(good):
    def __init__(self, config):
        good.__init__(self, config)
        schedule = self.noise_schedule
        self.noise_schedule = type("Falling", (type(schedule),), {})(schedule.alphas_cumprod.flip(0))

    return {"__init__": __init__}


@breaks("prior", "copies")
def promises_a_copy(good):
    return {"capabilities": classmethod(lambda cls, config: good.capabilities(config).giving(trainable_copy("copy")))}


@breaks("score", "conditions")
def reads_what_it_does_not_name(good):
    return changed(good, "combine", lambda result, self, predictions: result + predictions["empty"])


@breaks("score", "pictures")
def mean_of_the_batch(good):
    return changed(good, "combine", lambda result, *rest: result - result.mean(0))


@breaks("objective", "logs")
def tensors_as_logs(good):
    return changed(good, "terms", lambda terms, *rest: Terms(terms.losses, {"size": torch.ones(())}))


@breaks("loss", "declared")
def reads_normals_in_secret(good):
    return changed(good, "__call__", lambda result, self, rendering, _: result + rendering.normal.square().mean())


@breaks("data", "held out")
def nothing_held_out(good):
    return {"held_out": lambda self: None}


@breaks("data", "targets")
def promises_depth(good):
    return {"capabilities": classmethod(lambda cls, config: good.capabilities(config).giving(TARGET_DEPTH))}


@breaks("dataset", "held out")
def trains_on_what_is_held_out(good):
    return {"held_out": good.batch}


@breaks("schedule", "begins")
def begins_elsewhere(good):
    return changed(good, "__call__", lambda weight, *rest: 0.5 + weight / 2)


@breaks("schedule", "between")
def leaves_its_ends(good):
    return {"between": lambda self, first, last, weight: first + (last - first) * 1.5 * weight}


@breaks("noise", "falls")
def noise_that_fades(good):
    return changed(good, "alphas_cumprod", lambda levels, *rest: levels.flip(0))


@breaks("callback", "looks only")
def changes_what_is_trained(good):
    return changed(
        good, "on_step", lambda none, self, loop, values: [p.add_(0.1) for p in loop.scene.geometry.parameters()]
    )


@breaks("callback", "resumes")
def forgets_what_it_saw(good):
    return {"state": lambda self: {"lowest": 1e9}}


@breaks("stop", "words")
def ends_without_a_word(good):
    return changed(good, "reason", lambda reason, *rest: bool(reason))


@breaks("stop", "resumes")
def counts_anew(good):
    return {"state": lambda self: {"in_a_row": 0}}


@breaks("timesteps", "whole")
def fractional_timesteps(good):
    return changed(good, "draw", lambda t, *rest: t.float())


@breaks("timesteps", "in range")
def a_timestep_behind_the_last(good):
    return changed(good, "draw", lambda t, self, count, moment, schedule: t + schedule.timesteps)


@breaks("timesteps", "one level")
def several_levels_against_the_promise(good):
    return changed(
        good, "draw", lambda t, self, count, moment, schedule: moment.draws.integers("timestep", 0, 900, count)
    )


@breaks("matting", "color")
def darkens(good):
    return changed(good, "__call__", lambda picture, *rest: replace(picture, color=picture.color * 0.5))


@breaks("generator", "within")
def nothing_inside(good):
    return changed(good, "generate", lambda grid, *rest: replace(grid, distances=grid.distances + 10))


@breaks("generator", "no views")
def traceback_without_views(good):
    def generate(self, request, views, draws):
        assert views.picture is not None
        return good.generate(self, request, views, draws)

    return {"generate": generate}


def with_estimate(good, change):
    """A maker of stereo whose estimates are changed."""
    return changed(good, "estimate", change)


@breaks("stereo", "alone")
def counts_the_batch(good):
    return with_estimate(good, lambda estimate, _, left: estimate.with_values(estimate.values * len(left)))


@breaks("stereo", "flat")
def ignores_the_strength(good):
    class Stubborn(LeftShifts):
        def right_view(self, left, depth):
            return super().right_view(left, Depth3D())

        def with_values(self, values):
            return Stubborn(values)

    return with_estimate(good, lambda estimate, *rest: Stubborn(estimate.values))


@breaks("stereo", "smooth")
def smooths_towards_zero(good):
    class Fading(LeftShifts):
        def smoothed(self, before, weight):
            return LeftShifts(self.values * weight)

    return with_estimate(good, lambda estimate, *rest: Fading(estimate.values))


@breaks("truth", "closed")
def a_hole(good):
    return changed(good, "surface", lambda mesh, *rest: replace(mesh, faces=mesh.faces[1:]))


@breaks("exporter", "files")
def outside_its_folder(good):
    return {"__call__": lambda self, subject, folder: good.__call__(self, subject, folder.parent / "elsewhere")}


@breaks("metric", "directions")
def no_directions(good):
    return {"directions": lambda self: {}}


@breaks("metric", "facts")
def facts_that_are_no_data(good):
    return changed(good, "__call__", lambda result, *rest: Measurement(result.values, {"scene": rest[1]}))


@breaks("stage", "restores")
def forgets_its_words(good):
    def run(self, context):
        good.run(self, context)
        context.artifacts.words = (context.run.export / "word",)

    return {"run": run}


@breaks("learner", "saves")
def saves_nothing(good):
    return {"save": lambda self, folder: None}


@breaks("loss", "minimum")
def exempt_from_everything(good):
    names = ("documented", "config", "messages", "shapes", "types", "devices", "values", "batches", "deterministic")
    return {"exempt": dict.fromkeys(names, "not today")}
