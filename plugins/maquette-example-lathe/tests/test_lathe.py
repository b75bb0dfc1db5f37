"""The part keeps the contract of a generator, and its example can be read."""

from pathlib import Path

import yaml

import maquette_example_lathe
from maquette.testing import check_generator
from maquette_example_lathe.lathe import Lathe

EXAMPLES = sorted(Path(maquette_example_lathe.__file__).parent.glob("configs/*/*.yaml"))


def test_the_part_conforms() -> None:
    check_generator(Lathe).require()


def test_the_part_is_found_by_its_name() -> None:
    from maquette import plugins, registry

    plugins.load()
    assert registry.get("generator", "lathe") is Lathe


def test_the_example_can_be_read() -> None:
    assert EXAMPLES
    for path in EXAMPLES:
        from maquette.config.loading import load_method

        load_method(str(path), ["prompt=a red mug"], folder="methods")
        assert "lathe" in yaml.safe_dump(yaml.safe_load(path.read_text()))


def test_a_ball_stays_a_ball() -> None:
    import trimesh

    from maquette.priors.base import Request
    from maquette.randomness import Draws
    from maquette.testing import inputs

    mesh = Lathe(Lathe.Config()).generate(Request("a ball"), inputs.ball_views(6, 64), Draws(0, 0))
    solid = trimesh.Trimesh(mesh.vertices, mesh.faces)
    assert solid.is_watertight and abs(solid.volume / (4 / 3 * 3.1416 * inputs.RADIUS**3) - 1) < 0.15
