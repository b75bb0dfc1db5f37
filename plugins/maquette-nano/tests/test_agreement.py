"""The world's own pictures and the framework's pictures of the same object agree."""

import numpy as np
import torch

from maquette.backgrounds.solid import Solid
from maquette.cameras import orbit_cameras
from maquette.geometry.base import Field, FieldSample
from maquette.materials.base import Shading
from maquette.materials.plain import Plain
from maquette.renderers.base import View
from maquette.renderers.volume import Volume
from maquette_nano import world


class AsField(Field):
    """A nano object as a density field with its exact colours."""

    bound, channels = 1.0, 3

    def __init__(self, thing: world.NanoObject) -> None:
        super().__init__()
        self.thing = thing

    def query(self, points: torch.Tensor, normals: bool = False) -> FieldSample:
        distance = torch.from_numpy(self.thing.sdf(points.numpy()))
        density = 300 * torch.sigmoid(-distance / 0.001)
        near = distance.abs() < 0.06
        colors = torch.zeros_like(points)
        colors[near] = torch.from_numpy(self.thing.albedo(points[near].numpy()))
        return FieldSample(density, torch.logit(colors, eps=1e-4), None)


def test_a_field_of_the_object_renders_as_the_world_does():
    thing = world.make_object("car", "red", "white", "plain", 3)
    ones = torch.ones(2)
    cameras = orbit_cameras(torch.tensor([20.0, 130.0]), 20 * ones, 3.2 * ones, 35 * ones, 48)
    renderer = Volume(Volume.Config(samples=400), bound=1.0)
    ours = renderer.render(
        AsField(thing), Plain(Plain.Config()), Solid(Solid.Config()), View(cameras, Shading(), False)
    )
    theirs = world.render(thing, cameras.c2w.numpy(), 35, 48, supersample=3, ambient=1.0, diffuse=0.0)
    both = (ours.opacity[..., 0].numpy() > 0.5), (theirs.opacity > 0.5)
    assert (both[0] & both[1]).sum() / (both[0] | both[1]).sum() > 0.96
    error = np.square(ours.rgb.numpy() - theirs.picture.over(1.0).numpy()).mean()
    assert -10 * np.log10(error) > 24
    inside = both[0] & both[1] & (theirs.opacity == 1)
    assert np.abs(ours.depth[..., 0].numpy() - theirs.depth)[inside].mean() < 0.03
