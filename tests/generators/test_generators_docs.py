"""The worked example of docs/generators.md runs as the page shows it, over a stand-in for TRELLIS's own library."""

import sys
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from maquette.cameras.base import orbit_cameras
from maquette.data.base import Reference
from maquette.errors import ConfigError
from maquette.images.picture import Picture
from maquette.plugins import read_manifest
from maquette.priors.base import Request
from maquette.randomness import Draws
from project import examples

CORNERS = torch.tensor([[0.0, -0.5, 0.0], [0.1, 0.5, 0.0], [-0.1, 0.5, 0.0], [0.0, 0.0, 0.3]])  # a nose towards -y


class TrellisImageTo3DPipeline:
    """The calls of TRELLIS that the example makes: a tetrahedron, and what it was called with."""

    calls: ClassVar[list[tuple[Any, ...]]] = []

    @classmethod
    def from_pretrained(cls, name: str) -> "TrellisImageTo3DPipeline":
        return cls()

    def to(self, device: str) -> None:
        self.calls.append((device,))

    def run(self, image: Any, seed: int, formats: list[str]) -> dict[str, list[Any]]:
        self.calls.append((image.mode, image.size, seed, formats))
        faces = torch.tensor([[0, 1, 2], [0, 1, 3], [1, 2, 3], [0, 2, 3]])
        attributes = torch.cat([torch.full((4, 3), 0.5), torch.zeros(4, 3)], dim=1)
        return {"mesh": [SimpleNamespace(vertices=CORNERS, faces=faces, vertex_attrs=attributes)]}


@pytest.fixture
def generator(monkeypatch):
    library = ModuleType("trellis.pipelines")
    library.TrellisImageTo3DPipeline = TrellisImageTo3DPipeline  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "trellis", ModuleType("trellis"))
    monkeypatch.setitem(sys.modules, "trellis.pipelines", library)
    names: dict[str, Any] = {"__name__": "maquette_trellis.generator"}
    monkeypatch.setitem(sys.modules, names["__name__"], ModuleType(names["__name__"]))
    exec(examples("generators", "python")[0], names)
    return names["Trellis"](names["Trellis"].Config())


def test_the_example_makes_a_mesh_in_world_axes(generator):
    one = torch.ones(1)
    reference = Reference(Picture.opaque(torch.rand(1, 8, 8, 3)), orbit_cameras(0 * one, 0 * one, 3 * one, 40 * one, 8))
    mesh = generator.generate(Request("", references=(reference,)), None, Draws(0, 0))
    nose = mesh.vertices[0]
    assert nose[0] > 0.6 and abs(nose[1]) < 1e-6  # towards the front
    assert mesh.vertices[3, 2] > mesh.vertices[0, 2]  # z stays up
    assert np.linalg.norm(mesh.vertices, axis=1).max() == pytest.approx(0.8)
    mode, size, seed, formats = TrellisImageTo3DPipeline.calls[-1]
    assert (mode, size, formats) == ("RGBA", (8, 8), ["mesh"]) and 0 <= seed < 2**31


def test_the_example_says_what_it_lacks(generator):
    with pytest.raises(ConfigError, match="there is none"):
        generator.generate(Request("a mug"), None, Draws(0, 0))


def test_the_example_is_as_short_as_a_plugin_is_said_to_be():
    (generator,), (manifest,) = examples("generators", "python"), examples("generators", "toml")
    code = [line for line in (generator + manifest).splitlines() if line.strip() and not line.startswith("#")]
    assert len(code) <= 40


def test_the_manifest_of_the_example_declares_its_generator(tmp_path):
    (tmp_path / "maquette-plugin.toml").write_text(examples("generators", "toml")[0])
    (entry,) = read_manifest(tmp_path / "maquette-plugin.toml").parts
    assert (entry.kind, entry.name, entry.target) == ("generator", "trellis", "maquette_trellis.generator:Trellis")
