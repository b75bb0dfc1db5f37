"""What losses are handed in a step: a second look where one asks for it, and no rendering more."""

from pathlib import Path

import pytest
import torch

from maquette.cameras import orbit_cameras
from maquette.data.formats import PosedImages, save_posed_images
from maquette.geometry.gaussians import Gaussians
from maquette.images.picture import Picture
from maquette.randomness import Draws, Moment
from maquette.renderers.base import Rendering
from maquette.renderers.splat import Splat
from maquette.renderers.volume import Volume
from maquette.stages.optimisation import Optimisation
from tasks import prepared

CAMERAS = {"type": "random-orbit", "batch": 2, "size": 12, "distance": [3.0, 3.2]}
VOXELS = {"type": "voxel-grid", "resolution": 8, "channels": 3, "blob": "magic3d"}
VOLUME = {"type": "volume", "samples": 12, "occupancy": {"resolution": 4}}


class Watched(Volume):
    """Keeps what it draws."""

    def __init__(self, config: Volume.Config, bound: float) -> None:
        super().__init__(config, bound)
        self.drawn: list[Rendering] = []

    def render(self, *args) -> Rendering:
        self.drawn.append(super().render(*args))
        return self.drawn[-1]


@pytest.fixture
def views(tmp_path: Path) -> dict:
    """Known views, one of them to be continued."""
    turns = torch.tensor([0.0, 90.0])
    images = torch.rand(2, 12, 12, 4, generator=torch.Generator().manual_seed(0))
    cameras = orbit_cameras(turns, 0 * turns, 0 * turns + 3, 0 * turns + 40, 12)
    save_posed_images(tmp_path, PosedImages(Picture.from_rgba(images), cameras, ("train",) * 2, ("a", "b")))
    return {"type": "posed-images", "path": str(tmp_path), "references": {"a": 1.0}}


def watched(losses: dict, drawing: type = Watched, **stage) -> Optimisation:
    """The task of a stage with these losses, which keeps what it draws."""
    parts = {"geometry": VOXELS, "material": "plain", "background": "random-solid", "renderer": VOLUME, **stage}
    return prepared({**parts, "losses": losses}, renderer=drawing)


@pytest.mark.parametrize(
    ("losses", "drawn"),
    [
        ({"opacity": {}, "normal-smoothness-3d": {}, "depth-smoothness": {"weight": 1.0}}, 1),
        ({"opacity": {}, "near-view": {"weight": [[0, 0.0], [5, 0.0], [6, 1.0]]}}, 1),
        ({"opacity": {}, "near-view": {"weight": 1.0}}, 2),
    ],
)
def test_nothing_is_drawn_twice_unless_a_loss_asks(losses, drawn):
    task = watched(losses, cameras=CAMERAS)
    task.terms(Moment(3, 10, Draws(0, 3))).total().backward()
    assert len(task.scene.renderer.drawn) == drawn
    assert task.scene.geometry.grid.grad.isfinite().all()


def test_the_second_look_has_the_same_light_and_background_from_a_little_aside():
    task = watched({"near-view": {"weight": 1.0}}, cameras=CAMERAS)
    task.terms(Moment(3, 10, Draws(0, 3)))
    first, second = task.scene.renderer.drawn
    assert torch.equal(first.background, second.background) and first.shading == second.shading
    assert 0 < float((first.rgb - second.rgb).detach().abs().mean()) < 0.05


def test_optimisation_steps_are_functions_of_their_number():
    task = watched({"near-view": {"weight": 1.0}, "normal-smoothness-3d": {}}, cameras=CAMERAS)
    one, again, other = ({**task.terms(Moment(step, 10, Draws(0, step))).values()} for step in (3, 3, 4))
    assert one == again and one != other


def test_without_cameras_the_known_view_is_looked_at_again(views):
    clip = {"path": "nano-clip"}
    losses = {
        "near-view": {"weight": 1.0}, "clip-similarity": clip, "prompt-similarity": clip, "perceptual": clip
    }  # fmt: skip
    task = watched(losses, data=views)
    terms = task.terms(Moment(0, 10, Draws(0, 0)))
    terms.total().backward()
    assert len(task.scene.renderer.drawn) == 2 and set(terms.losses) == set(losses)
    assert not any("clip" in name or "encoder" in name for name in task.state_dict())


class Counted(Gaussians):
    """Counts the views that it is told of after a step."""

    views = 0

    def adapt(self, projections, *rest):
        self.views = len(projections)
        return super().adapt(projections, *rest)


def test_a_cloud_grows_by_the_views_it_is_shown_and_not_by_second_looks():
    losses = {"opacity": {}, "near-view": {"weight": 1.0}}
    parts = {"geometry": {"type": "gaussians", "count": 200}, "renderer": {"type": "splat"}, "cameras": CAMERAS}
    task = watched(losses, Splat, **parts)
    task.scene.geometry = Counted(task.scene.geometry.config)
    task.terms(Moment(3, 10, Draws(0, 3))).total().backward()
    task.after_step(Moment(3, 10, Draws(0, 3)))
    assert task.scene.geometry.views == CAMERAS["batch"]
