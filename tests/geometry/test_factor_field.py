"""A field of low-rank factors: the colours of a fixed mesh are fitted to a pattern, and its vertices stay."""

import torch

from maquette.geometry._factor_field import FactorField, FactorFieldConfig
from maquette.geometry.mesh import TriangleMesh
from maquette.randomness import Moment

FACTORS = FactorFieldConfig(resolution=16, components=4, width=16)


def test_it_is_linear_between_samples_and_constant_beyond_the_bound():
    torch.manual_seed(0)
    field = FactorField(FACTORS, 2.0, 3)
    inside, beyond = torch.tensor([[2.0, 0.3, -0.4]]), torch.tensor([[5.0, 0.3, -0.4]])
    torch.testing.assert_close(field.outputs(inside), field.outputs(beyond))
    assert set(field.groups()) == {"geometry", "network"}


def test_a_mesh_takes_the_colors_of_a_factor_field_and_learns_a_pattern():
    torch.manual_seed(0)
    mesh = TriangleMesh(TriangleMesh.Config(subdivisions=2, colors="tensorf", factors=FACTORS))
    before = mesh.positions.clone()
    points = mesh.positions.detach()
    pattern = torch.stack([(points[:, 2] > 0).float(), (points[:, 0] > 0).float(), torch.ones(len(points))], dim=1)
    parameters = [parameter for group in mesh.groups().values() for parameter in group]
    optimiser = torch.optim.Adam(parameters, 2e-2)
    errors = []
    for step in range(80):
        mesh.prepare(Moment.at(step, 80, 0))
        error = (torch.sigmoid(mesh.features(points)) - pattern).square().mean()
        errors.append(float(error.detach()))
        optimiser.zero_grad()
        error.backward()
        optimiser.step()
    assert errors[-1] < 0.2 * errors[0] and torch.equal(mesh.positions, before)
