"""Loading the scene of a finished run from its folder."""

from __future__ import annotations

from maquette.config.loading import load_method
from maquette.errors import RunError
from maquette.scene import Scene
from maquette.stages.base import StageContext
from maquette.training.run_folder import RunFolder


def finished_scene(run: RunFolder) -> Scene:
    """Load the scene of a run from its last checkpoints.

    Raises:
        RunError: no finished stage made a scene.
    """
    method = load_method(str(run.config)).method
    context = StageContext("", method, run, resume=True)
    for name in run.read_state()["finished"]:
        context.name = name
        method.stages[name].build().restore(context)
    if context.artifacts.scene is None:
        raise RunError(f"no finished stage of {run.path} made a scene")
    return context.artifacts.scene
