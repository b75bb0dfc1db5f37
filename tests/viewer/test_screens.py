"""What browsers are shown, with a real server and the websocket of a browser."""

import pytest
import torch

from maquette.config.parts import part
from maquette.scene import Scene, Viewpoint
from maquette.viewer.budget import HEIGHTS, Budget
from maquette.viewer.screens import Screens
from maquette.viewer.server import start_server, stop_server
from viewer_client import ViewerClient, wait_until

pytest.importorskip("viser")


@pytest.fixture(scope="module")
def scene():
    torch.manual_seed(0)
    geometry = part("geometry", "voxel-grid", resolution=8).build()
    renderer = part("renderer", "volume", samples=4).build(bound=geometry.bound)
    return Scene(
        geometry, part("material", "plain").build(), part("background", "solid").build(), renderer, Viewpoint()
    )


@pytest.fixture
def screens():
    server = start_server(port=18600)
    screens = Screens(server)
    client = ViewerClient(server.get_port())
    wait_until(lambda: screens.all)
    screens.client = client
    yield screens
    client.close()
    stop_server(server)


def test_screens_are_small_while_the_camera_moves_and_full_when_it_rests(screens, scene):
    (screen,) = screens.all
    screen.moved_at = 1e12  # moves on and on
    screens.cost.record(HEIGHTS[0] ** 2, 0.1)
    screens.draw(scene, 1, None)
    assert screen.height == HEIGHTS[0]
    screen.moved_at = 0.0
    screens.cost.record(HEIGHTS[-1] ** 2, 0.01)
    while screens.draw(scene, 1, None):
        pass
    assert screen.height == HEIGHTS[-1]
    wait_until(lambda: screens.client.pictures and screens.client.pictures[-1].shape[0] == HEIGHTS[-1])
    assert not screens.draw(scene, 1, None)  # nothing has changed
    assert screens.draw(scene, 2, None)


def test_without_earned_time_nothing_is_drawn(screens, scene):
    budget = Budget()
    assert not screens.draw(scene, 1, budget)
    budget.earn(10.0)
    assert screens.draw(scene, 1, budget)


def test_a_closed_browser_is_forgotten(screens, scene):
    screens.client.close()
    wait_until(lambda: not screens.all)
    assert not screens.draw(scene, 1, None)
