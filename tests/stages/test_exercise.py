"""Tiny inputs for the kernels of stages."""

import pytest

from maquette import registry
from maquette.config.parts import part
from maquette.scene import Scene, Viewpoint
from maquette.stages.exercise import SIZE, exercise_scene


@pytest.mark.parametrize(
    ("geometry", "renderer"), [("sdf-voxels", "mesh"), ("gaussians", "splat"), ("voxel-grid", "volume")]
)
def test_a_scene_is_rendered_forwards_and_backwards(geometry, renderer):
    shape = part("geometry", geometry).build()
    scene = Scene(
        shape, part("material", "plain").build(), part("background", "solid").build(),
        part("renderer", renderer).build(bound=shape.bound), Viewpoint(),
    )  # fmt: skip
    views = exercise_scene(scene)
    assert views.picture.size == (SIZE, SIZE) and float(views.picture.alpha.max()) > 0
    assert any(parameter.grad is not None for group in shape.groups().values() for parameter in group)


def test_a_reconstruction_and_an_export_need_nothing_to_be_exercised():
    for name in ("reconstruct", "export"):
        registry.get("stage", name)(registry.get("stage", name).Config()).warm_up()
