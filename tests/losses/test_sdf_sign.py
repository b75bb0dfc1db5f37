"""The sign term pulls both ends of a cut edge to one side, and counts every cut."""

import math

import pytest
import torch

from maquette.geometry.dmtet import DMTet
from maquette.geometry.flexicubes import FlexiCubes
from maquette.losses.sdf_sign import SdfSign

SMALL = {"levels": 2, "log2_table_size": 8, "base_resolution": 4, "finest_resolution": 8}


class Ends:
    def __init__(self, *pairs):
        self.pairs = torch.tensor(pairs, requires_grad=True)

    def sign_changes(self):
        return self.pairs


def test_one_cut_edge_is_its_closed_form():
    value = SdfSign(SdfSign.Config())(None, Ends((1.0, -2.0)))
    sigma = [1 / (1 + math.exp(-x)) for x in (1.0, -2.0)]
    assert float(value) == pytest.approx(-math.log(1 - sigma[0]) - math.log(sigma[1]), rel=1e-5)


def test_its_gradient_brings_both_ends_towards_the_other_side():
    ends = Ends((1.0, -2.0))
    SdfSign(SdfSign.Config())(None, ends).backward()
    assert ends.pairs.grad[0, 0] > 0 > ends.pairs.grad[0, 1]  # descent lowers the positive end, raises the negative one


@pytest.mark.parametrize("part", [DMTet, FlexiCubes])
def test_geometries_tell_exactly_their_cut_edges(part):
    torch.manual_seed(0)
    geometry = part(part.Config(**SMALL, resolution=6, radius=0.5))
    found = geometry.sign_changes()
    assert len(found) and ((found[:, 0] < 0) != (found[:, 1] < 0)).all()
    geometry.distances.data.fill_(1.0)
    nothing = geometry.sign_changes()
    assert len(nothing) == 0
    assert float(SdfSign(SdfSign.Config())(None, geometry)) == 0
