"""Stage two of One-2-3-45++: a few steps improve on what it begins with; its noise keeps to the surface."""

import pytest
import torch

from ball_surfaces import BOUND, RED, RESOLUTION, SIZE, Balls, train_on_balls
from maquette.errors import ConfigError
from maquette.generators.one2345.sparse import Tokens
from maquette.generators.one2345.surface_network import DISTANCES, SurfaceNetwork
from maquette.learners.one2345_surface import One2345Surface, noisy_volume, scattered
from maquette.perception.reconstructor import Architecture, Reconstructor
from maquette.randomness import Draws

CELL = 2 * BOUND / RESOLUTION


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("reconstructor")
    Reconstructor(Architecture(BOUND, RESOLUTION, SIZE, (8, 8, 8), 4, (8, 8), (1, 1), 8)).save(folder)
    return str(folder)


@pytest.fixture(scope="module")
def learner(source: str) -> One2345Surface:
    torch.manual_seed(0)
    config = One2345Surface.Config(
        "nano-clip", source, 0.0, (16, 16), (1, 1), average_decay=0.5, sample_steps=3, evaluated=8
    )
    learner = One2345Surface(config)
    learner.build(Balls())
    learner.set_memory_format(torch.device("cpu"))
    return learner


def test_true_tokens_are_distances_in_coarse_cells_and_colors(learner):
    batch = Balls().batch(Draws(0, 0), 2)
    tokens = Tokens.of(batch.distances.abs() < 0.8 * CELL)
    values = learner.true_tokens(batch, tokens)
    torch.testing.assert_close(
        values[:, DISTANCES:], (2 * RED - 1).repeat_interleave(8).expand(len(tokens), -1), atol=1e-6, rtol=0
    )
    b, x, y, z = tokens.cells.T
    mean = values[:, :DISTANCES].mean(1)  # of eight children, about that of their parent
    torch.testing.assert_close(mean, batch.distances[b, x, y, z] / CELL, atol=0.25, rtol=0)


def test_a_few_steps_improve_distances_and_colors(learner):
    def losses(step: int) -> dict[str, float]:
        terms = learner.loss(Balls().batch(Draws(7, step), 4), Draws(7, step))
        return {name: float(value) for name, value in terms.losses.items()}

    with torch.no_grad():
        before = losses(1000)
    train_on_balls(learner, 40, 3)
    with torch.no_grad():
        after = losses(1000)
    assert after["distance"] < 0.9 * before["distance"] and after["color"] < 0.5 * before["color"]


def test_the_evaluation_compares_samples_with_what_they_begin_from(learner):
    figures = learner.evaluate(Balls(), Draws(9, 0))
    assert {name.split(", ")[1] for name in figures} == {"3 steps", "1 step", "interpolated"}


def test_what_is_saved_is_loaded(learner, tmp_path):
    learner.save(tmp_path)
    assert SurfaceNetwork.load(str(tmp_path)).architecture == learner.architecture


def test_a_reconstructor_of_another_cube_is_refused(tmp_path):
    Reconstructor(Architecture(1.0, RESOLUTION, SIZE, (8, 8, 8), 4, (8, 8), (1, 1), 8)).save(tmp_path)
    with pytest.raises(ConfigError, match=r"half side 1 .* one of 0\.84"):
        One2345Surface(One2345Surface.Config("nano-clip", str(tmp_path))).build(Balls())


def test_noise_on_a_volume_changes_nothing_far_from_the_surface_and_keeps_the_range():
    grids = Balls().batch(Draws(0, 0), 3).distances / CELL
    noisy = noisy_volume(grids, 0.5, Draws(0, 1))
    far = torch.nn.functional.max_pool3d((grids.abs() < 1).float()[:, None], 5, 1, 2)[:, 0] == 0
    assert torch.equal(noisy[far], grids[far]) and noisy.abs().max() <= 1
    assert (noisy - grids).abs().max() > 0.1


def test_scattered_cells_lose_some_and_gain_some_beside_them():
    active = Balls().batch(Draws(0, 0), 4).distances.abs() < 0.8 * CELL
    changed = scattered(active, 0.1, 0.2, Draws(0, 1))
    near = torch.nn.functional.max_pool3d(active.float()[:, None], 3, 1, 1)[:, 0] > 0
    assert not (changed & ~near).any()
    assert 0.05 < (active & ~changed).sum() / active.sum() < 0.15
    assert 0.15 < (changed & ~active).sum() / (near & ~active).sum() < 0.25
