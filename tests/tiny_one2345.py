"""Networks of the two stages with random weights, as small as they can be, and views of balls."""

import torch

from maquette.cameras.base import Cameras, orbit_cameras
from maquette.generators.one2345.shape_network import ShapeArchitecture, ShapeNetwork
from maquette.generators.one2345.surface_network import SurfaceArchitecture, SurfaceNetwork
from maquette.perception.reconstructor import Architecture, Reconstructor

BOUND, RESOLUTION, SIZE, TOWER = 0.84, 8, 16, 6
PICTURES = (BOUND, RESOLUTION, SIZE, (8, 8, 8), 4)


def shape_network(local: bool = True, tower: str = "", width: int = TOWER) -> ShapeNetwork:
    torch.manual_seed(0)
    return ShapeNetwork(ShapeArchitecture(*PICTURES, (8, 8), (1, 1), 8, tower, width, local))


def surface_network(tower: str = "", width: int = TOWER) -> SurfaceNetwork:
    torch.manual_seed(0)
    return SurfaceNetwork(SurfaceArchitecture(*PICTURES, (8, 16), (1, 1), 8, tower, width))


def reconstructor() -> Reconstructor:
    torch.manual_seed(1)
    network = Reconstructor(Architecture(*PICTURES, (8, 8), (1, 1), 8))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return network


def cameras(objects: int, views: int) -> Cameras:
    one = torch.ones(objects * views)
    azimuth_deg = (360 / views * torch.arange(views)).repeat(objects)
    return orbit_cameras(azimuth_deg, 15 * one, 3.2 * one, 35 * one, SIZE)


def images(objects: int, views: int) -> torch.Tensor:
    return torch.rand(objects, views, SIZE, SIZE, 3, generator=torch.Generator().manual_seed(0))
