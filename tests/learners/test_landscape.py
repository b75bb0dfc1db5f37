"""The learner of landscapes: it sees no camera of a photograph, its codes live, a resume has the same bits."""

import dataclasses

import pytest
import torch

from maquette.datasets.base import LabelledPictures
from maquette.errors import ConfigError
from maquette.landscapes import Landscape, World, WorldConfig
from maquette.landscapes.classes import LABELS
from maquette.landscapes.features import FeatureEncoder, FeatureSizes
from maquette.landscapes.generator import Generator, GeneratorSizes
from maquette.landscapes.styles import StyleDistribution
from maquette.landscapes.translator import Translator, TranslatorSizes
from maquette.landscapes.views import PoseRange, draw_camera
from maquette.learners.adversarial import frozen
from maquette.learners.landscape import LandscapeLearner, cut, inner, raw_codes
from maquette.randomness import Draws
from maquette.training.checkpoints import CheckpointStore

WORLD = WorldConfig(size=48, scale=0.125, tree_scale=0.3, unbounded=True, relief=True)
SIZES = GeneratorSizes(
    levels=2, features_per_level=2, log2_table_size=8, base_resolution=4, finest_resolution=16, code_base_resolution=2,
    code_finest_resolution=4, hidden=8, features=4, style=3, style_hidden=8, style_layers=1, sky_frequencies=2,
    sky_hidden=8, decoder_hidden=4, encoder_width=2, encoder_blocks=2, style_side=16, style_filters=4, samples=3,
)  # fmt: skip


class Places:
    """Noise for photographs, and small worlds."""

    size, poses, reach = 20, PoseRange(scale=0.125), 200.0

    def prepare(self, device: torch.device) -> None:
        """Nothing to do."""

    def batch(self, draws: Draws, size: int) -> LabelledPictures:
        labels = draws.integers("labels", 0, len(LABELS) - 1, size, 20, 20)
        return LabelledPictures(draws.uniform("photograph", size, 20, 20, 3), labels)

    held_out = batch

    def sample(self, count: int) -> LabelledPictures:
        return self.batch(Draws(5, 0), count)

    def training_worlds(self) -> list[Landscape]:
        return [World(seed, WORLD).window() for seed in range(3)]

    def held_out_worlds(self) -> list[Landscape]:
        return [World(seed, WORLD).window() for seed in (90, 91)]


@pytest.fixture(scope="module")
def painter(tmp_path_factory) -> str:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("translator")
    Translator(TranslatorSizes(widths=(8, 8), hidden=4, style=3, encoder_widths=(8,))).save(folder)
    return str(folder)


def new_learner(painter: str, features: str = "") -> LandscapeLearner:
    torch.manual_seed(0)
    settings = {"crop": 16, "opponent_widths": (8, 8), "evaluated": 4, "features": features}
    learner = LandscapeLearner(LandscapeLearner.Config(translator=painter, sizes=SIZES, **settings))
    learner.build(Places())
    learner.set_memory_format(torch.device("cpu"))
    return learner


def train(learner: LandscapeLearner, optimiser: torch.optim.Optimizer, first: int, last: int) -> None:
    for step in range(first, last):
        batch, draws = Places().batch(Draws(0, step), 2), Draws(0, step).sub("loss")
        output = learner.generate(batch, draws)
        optimiser.zero_grad()
        learner.opponent_loss(output, batch, draws).total().backward()
        optimiser.step()
        optimiser.zero_grad()
        with frozen(learner.opponent):
            learner.generator_loss(output, batch, draws).total().backward()
        optimiser.step()
        learner.after_step(step)


def optimiser_of(learner: LandscapeLearner) -> torch.optim.Optimizer:
    trainable = [parameter for parameter in learner.parameters() if parameter.requires_grad]
    return torch.optim.AdamW(trainable, 2e-3, betas=(0.0, 0.999), fused=True)


def test_the_landscape_learner_resumes_to_the_same_bits(painter, tmp_path):
    whole, part, resumed = (new_learner(painter) for _ in range(3))
    optimisers = [optimiser_of(learner) for learner in (whole, part, resumed)]
    train(whole, optimisers[0], 0, 4)
    train(part, optimisers[1], 0, 2)
    CheckpointStore(tmp_path).save(2, part, optimisers[1], {}).load(resumed, optimisers[2])
    train(resumed, optimisers[2], 2, 4)
    state = resumed.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in whole.state_dict().items())


def test_the_learner_takes_pictures_and_labels_and_no_camera_of_a_photograph(painter):
    learner = new_learner(painter)
    assert {field.name for field in dataclasses.fields(LabelledPictures)} == {"images", "labels"}
    output = learner.generate(Places().batch(Draws(0, 0), 2), Draws(0, 0))
    assert output.pictures.shape == output.pseudo.shape == (2, 3, 16, 16)
    assert not output.pseudo.requires_grad and output.pictures.requires_grad


def test_pseudo_truth_is_painted_on_the_labels_of_the_same_crop(painter):
    learner = new_learner(painter)
    output = learner.generate(Places().batch(Draws(0, 1), 2), Draws(0, 1))
    sky = output.labels == LABELS.index("sky")
    assert output.labels.shape == (2, 16, 16) and 0 < sky.float().mean() < 1


def test_codes_of_training_worlds_are_spread_and_their_raw_codes_are_in_the_checkpoint(painter):
    learner = new_learner(painter)
    train(learner, optimiser_of(learner), 0, 2)
    assert "raw_codes" in learner.state_dict()
    codes = learner.networks.scene_encoder.standardised(learner.raw_codes)
    assert (codes.std(dim=0) > 0.3).all()


def test_saved_weights_are_the_average_with_standardised_codes(painter, tmp_path):
    learner = new_learner(painter)
    train(learner, optimiser_of(learner), 0, 2)
    learner.save(tmp_path)
    loaded = Generator.load(str(tmp_path))
    styles = loaded.style_encoder(learner.styled_photographs)[0]
    torch.testing.assert_close(StyleDistribution.load(str(tmp_path), 3).mean, styles.mean(dim=0), atol=1e-2, rtol=0)
    codes = loaded.scene_encoder.standardised(raw_codes(loaded, Places().training_worlds()))
    assert (codes.std(dim=0) > 0.3).all()
    figures = learner.evaluate(Places(), Draws(0, 0))
    assert figures["spread of training codes"] > 0.3 and 0 <= figures["texture"] < 1
    assert learner.sample_sheet(Places(), Draws(0, 0)).ndim == 3


def test_features_of_an_encoder_pull_the_picture_towards_pseudo_truth_and_are_no_part_of_the_state(painter, tmp_path):
    torch.manual_seed(0)
    FeatureEncoder(FeatureSizes((4, 6))).save(tmp_path)
    plain, pulled = new_learner(painter), new_learner(painter, features=str(tmp_path))
    assert plain.state_dict().keys() == pulled.state_dict().keys()
    batch = Places().batch(Draws(0, 0), 2)
    output = pulled.generate(batch, Draws(0, 0))
    terms = pulled.generator_loss(output, batch, Draws(0, 0)).losses
    assert terms["perceptual"] > 0 and "perceptual" not in plain.generator_loss(output, batch, Draws(0, 0)).losses
    (slope,) = torch.autograd.grad(terms["perceptual"], output.pictures)
    assert slope.abs().sum() > 0


def test_a_learner_without_a_translator_says_what_to_give():
    with pytest.raises(ConfigError, match=r"learner.translator: no translator paints the pseudo truth; give weights"):
        LandscapeLearner(LandscapeLearner.Config())


@pytest.mark.parametrize(("settings", "message"), [
    ({"blur": 99}, "blur: 99 pixels are more than the crop"), ({"opponent_widths": ()}, "opponent_widths: name"),
])  # fmt: skip
def test_settings_that_fit_no_picture_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        LandscapeLearner.Config(**settings)


def test_a_crop_of_a_view_is_its_square():
    _, view = draw_camera(Places().training_worlds()[0], Draws(0, 0), 20, 20, Places.poses)
    part = cut(view, 3, 5, 8)
    assert torch.equal(part.labels, view.labels[3:11, 5:13]) and part.directions.shape == (8, 8, 3)
    assert torch.equal(inner(view.depth, 2), view.depth[2:18, 2:18])
