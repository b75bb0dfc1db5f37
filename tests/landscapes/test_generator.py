"""The generator: full size on `meta`, the published names and shapes, a living scene code, and what it renders."""

import dataclasses

import pytest
import torch

from maquette.errors import ConfigError
from maquette.kernels.hash_grid import HashGridSpec
from maquette.landscapes import World, WorldConfig
from maquette.landscapes.decoder import Decoder
from maquette.landscapes.field import LandscapeField
from maquette.landscapes.generator import Generator, GeneratorSizes, draw_style
from maquette.landscapes.modulation import ModulatedLinear, StyleNetwork
from maquette.landscapes.published import MISSING, NAMES, UNEXPECTED, convert, load_generator
from maquette.landscapes.scene_code import SceneEncoder
from maquette.landscapes.sky import Sky
from maquette.landscapes.style_encoder import StyleEncoder
from maquette.landscapes.views import PoseRange, draw_camera
from maquette.randomness import Draws

SMALL = GeneratorSizes(
    levels=3, features_per_level=2, log2_table_size=10, base_resolution=4, finest_resolution=32, code_base_resolution=2,
    code_finest_resolution=4, hidden=16, features=8, style=4, style_hidden=16, style_layers=2, sky_frequencies=2,
    sky_hidden=16, decoder_hidden=8, encoder_width=4, encoder_blocks=2, style_side=16, style_filters=4, samples=4,
)  # fmt: skip
WORLD = WorldConfig(size=64, scale=0.125, tree_scale=0.3, unbounded=True, relief=True)

# Shapes of the published tensors, by the authors' code (generators/scenedreamer.py, model_utils/layers.py).
PUBLISHED_SHAPES = {
    "world_encoder.sconv_head.weight": (8, 11, 3, 3), "world_encoder.hconv_head.weight": (8, 1, 3, 3),
    "world_encoder.conv_blocks.0.layers.0.weight": (16, 16, 3, 3),
    "world_encoder.conv_blocks.4.layers.2.weight": (512, 256, 3, 3),
    "world_encoder.fc1.weight": (16, 512), "world_encoder.fc2.weight": (2, 16),
    "hash_encoder.embeddings": (16 * 2**19, 8), "render_net.fc_m_a.weight": (256, 12),
    "render_net.fc_1.weight": (256, 128), "render_net.fc_2.weight": (256, 256),
    "render_net.fc_2.weight_alpha": (256, 256), "render_net.fc_6.bias_beta": (256,),
    "render_net.fc_sigma.weight": (1, 256), "render_net.fc_out_c.weight": (64, 256),
    "style_net.fc_layers.0.weight": (256, 128), "style_net.fc_out.weight": (256, 256),
    "sky_net.fc1.weight": (256, 33), "sky_net.fc_z_a.weight": (256, 256), "sky_net.fc_out_c.bias": (64,),
    "denoiser.fc_z_cond.weight": (1024, 256), "denoiser.conv1.weight": (256, 64, 1, 1),
    "denoiser.conv2b.weight": (256, 256, 3, 3), "denoiser.conv4b.bias": (256,), "denoiser.conv4.weight": (3, 256, 1, 1),
    "style_encoder.layer1.layers.conv.weight": (64, 3, 3, 3),
    "style_encoder.layer6.layers.conv.weight": (512, 512, 3, 3),
    "style_encoder.fc_mu.layers.conv.weight": (128, 8192), "style_encoder.fc_var.layers.conv.bias": (128,),
}  # fmt: skip


@pytest.fixture(scope="module")
def full() -> dict[str, torch.Tensor]:
    with torch.device("meta"):
        return Generator(GeneratorSizes()).state_dict()


@pytest.fixture(scope="module")
def scene():
    return World(1, WORLD).window()


@pytest.fixture(scope="module")
def generator() -> Generator:
    torch.manual_seed(0)
    return Generator(SMALL).eval().requires_grad_(False)


def test_the_full_size_is_the_paper_s(full):
    assert 65e6 < sum(tensor.numel() for tensor in full.values()) < 90e6
    grid = GeneratorSizes().grid
    assert grid.rows == 16 * 2**19 and grid.channels == 128 and not any(grid.dense)


def test_published_names_cover_all_of_ours_and_have_the_published_shapes(full):
    assert set(NAMES.values()) == set(full) - set(MISSING)
    for theirs, shape in PUBLISHED_SHAPES.items():
        assert tuple(full[NAMES[theirs]].shape) == shape, theirs


def test_the_published_file_becomes_a_generator(full, tmp_path):
    published = {f"module.{theirs}": torch.full((1,), 0.5).expand(full[ours].shape) for theirs, ours in NAMES.items()}
    torch.save({"net_G": published, "net_D": {"weight": torch.zeros(1)}}, tmp_path / "released.pt")
    generator = load_generator(str(tmp_path / "released.pt"), samples=40)
    assert generator.architecture == dataclasses.replace(GeneratorSizes(), samples=40)
    state = generator.state_dict()
    assert all(float(state[ours].flatten()[0]) == 0.5 for ours in NAMES.values())
    assert torch.equal(state["scene_encoder.whitening"], torch.eye(2))


def test_a_file_that_is_no_published_generator_is_refused_in_one_line(tmp_path):
    torch.save({"net_G": {"module.other": torch.zeros(1)}}, tmp_path / "other.pt")
    with pytest.raises(ConfigError, match=r"is no published generator: missing .* more, unexpected other") as refusal:
        load_generator(str(tmp_path / "other.pt"))
    assert "\n" not in str(refusal.value)


def test_a_published_checkpoint_is_converted_and_what_does_not_fit_is_named(full):
    published = {f"module.{theirs}": full[ours] for theirs, ours in NAMES.items()}
    published["module.hash_encoder.offsets"] = torch.zeros(17)
    whole = convert(published)
    assert set(whole.tensors) | set(MISSING) == set(full) and not whole.missing and not whole.unexpected
    del published["module.render_net.fc_1.weight"]
    lacking = convert({**published, "module.blk_feats": torch.zeros(1)})
    assert lacking.missing == ("render_net.fc_1.weight",) and lacking.unexpected == ("blk_feats",)
    assert UNEXPECTED == ("hash_encoder.offsets",)


def test_a_scene_code_of_each_of_64_worlds_is_its_own_from_the_start():
    torch.manual_seed(0)
    encoder = SceneEncoder(width=4, blocks=3)
    maps = torch.stack([World(seed, WORLD).window().encoder_input() for seed in range(64)])
    with torch.no_grad():
        raw = encoder.raw(maps)
        assert encoder(maps).std(dim=0).max() < 0.1  # without standardisation all worlds have about one code
        encoder.standardise(raw)
        codes = encoder(maps)
    assert (codes.std(dim=0) > 0.3).all() and codes.abs().max() < 1
    assert abs(torch.corrcoef(codes.mT)[0, 1]) < 0.5


def test_standardised_raw_codes_have_unit_covariance_before_tanh():
    encoder = SceneEncoder(width=2, blocks=1)
    raw = (
        torch.randn(500, 2, generator=torch.Generator().manual_seed(0)) @ torch.tensor([[1e-4, 2e-4], [0.0, 1e-5]]) + 3
    )
    encoder.standardise(raw)
    torch.testing.assert_close(torch.atanh(encoder.standardised(raw)).T.cov(), torch.eye(2), rtol=0.05, atol=0.05)


def test_a_picture_has_the_size_of_the_view_without_padding(generator, scene):
    _, view = draw_camera(scene, Draws(0, 0), 30, 22, PoseRange(scale=0.125))
    picture, depth = generator(scene, view, torch.zeros(2), draw_style(0, 0, SMALL.style))
    assert picture.shape == (3, 24, 16) and depth.shape == (30, 22)
    assert picture.min() >= 0 and picture.max() <= 1
    met = view.depth.isfinite()
    behind = (depth - view.depth)[met]
    assert (behind > -1e-3).all() and (behind <= SMALL.sample_depth + 1e-3).all() and depth[~met].isinf().all()


def test_code_and_style_change_the_picture(scene):
    torch.manual_seed(0)
    generator = Generator(SMALL).requires_grad_(False)
    generator.field.table.normal_()
    _, view = draw_camera(scene, Draws(0, 1), 20, 20, PoseRange(scale=0.125))
    style = draw_style(0, 0, SMALL.style)
    picture = generator(scene, view, torch.zeros(2), style)[0]
    assert not torch.equal(picture, generator(scene, view, torch.full((2,), 0.9), style)[0])
    assert not torch.equal(picture, generator(scene, view, torch.zeros(2), draw_style(0, 1, SMALL.style))[0])


def test_every_parameter_gets_a_gradient(scene):
    torch.manual_seed(0)
    generator = Generator(SMALL)
    _, view = draw_camera(scene, Draws(0, 2), 20, 20, PoseRange(scale=0.125))
    code = generator.scene_encoder(scene.encoder_input()[None])[0]
    mean, log_variance = generator.style_encoder(torch.rand(1, 3, 16, 16))
    picture, _ = generator(scene, view, code, mean)
    (picture.square().sum() + log_variance.sum()).backward()
    assert not [name for name, parameter in generator.named_parameters() if parameter.grad is None]


def test_untrained_land_hides_the_sky_and_all_of_it_learns_its_density(scene):
    torch.manual_seed(0)
    generator = Generator(GeneratorSizes(log2_table_size=10))
    raw: list[torch.Tensor] = []
    generator.field.density.register_forward_hook(lambda layer, given, density: raw.append(density))
    _, view = draw_camera(scene, Draws(0, 2), 20, 20, PoseRange(scale=0.125))
    _, depth = generator(scene, view, torch.zeros(2), draw_style(0, 0, 128))
    met = view.depth.isfinite()
    assert (raw[0] > 0).float().mean() > 0.99
    # Where most of the light were left behind the samples, the depth would be that of the last one.
    assert float((depth.detach() - view.depth)[met].mean()) < generator.architecture.sample_depth / 2


def test_a_label_changes_features_as_much_as_a_style_does():
    torch.manual_seed(0)
    sizes = GeneratorSizes(log2_table_size=10)
    generator = Generator(sizes).requires_grad_(False)
    styles = [generator.style_network(draw_style(0, seed, sizes.style))[0] for seed in range(8)]
    places = torch.rand(1, 3).expand(12, 3)
    features = torch.stack([generator.field(places, torch.zeros(2), torch.arange(12), each)[1] for each in styles])
    of_labels, of_styles = features.std(dim=1).mean(), features.std(dim=0).mean()
    assert 0.2 < float(of_styles / of_labels) < 5 and float(of_labels) > 0.02


def test_saved_weights_render_the_same(generator, scene, tmp_path):
    generator.save(tmp_path)
    loaded = Generator.load(str(tmp_path))
    assert loaded.architecture == SMALL
    _, view = draw_camera(scene, Draws(0, 3), 20, 20, PoseRange(scale=0.125))
    pictures = [each(scene, view, torch.zeros(2), draw_style(0, 0, SMALL.style))[0] for each in (generator, loaded)]
    torch.testing.assert_close(*pictures, rtol=0, atol=3e-3)


def test_modulation_scales_inputs_and_shifts_outputs():
    torch.manual_seed(0)
    layer, features, style = ModulatedLinear(3, 2, 4), torch.randn(5, 3), torch.randn(4)
    torch.nn.init.normal_(layer.shift)
    scale, shift = layer.scale @ style + layer.scale_bias, layer.shift @ style + layer.shift_bias
    torch.testing.assert_close(layer(features, style), (features * scale) @ layer.weight.mT + shift)


def test_only_the_direction_of_a_style_counts():
    torch.manual_seed(0)
    network, style = StyleNetwork(4, 6, 8, 2), torch.randn(2, 4)
    torch.testing.assert_close(network(style), network(3 * style))


def test_the_field_has_no_negative_density_and_follows_labels():
    torch.manual_seed(0)
    spec = HashGridSpec(2, 2, 8, 2, 8, dimensions=5)
    field = LandscapeField(spec, 8, 4, 3, density=0.0)
    places, style = torch.rand(20, 3), torch.randn(3)
    density, features = field(places, torch.zeros(2), torch.full((20,), 5), style)
    assert (density >= 0).all() and features.shape == (20, 4)
    assert not torch.equal(features, field(places, torch.zeros(2), torch.full((20,), 6), style)[1])


def test_the_sky_depends_on_direction_and_style():
    torch.manual_seed(0)
    sky = Sky(2, 8, 4, 3)
    up, side, style = torch.tensor([[0.0, 0.0, 1.0]]), torch.tensor([[1.0, 0.0, 0.0]]), torch.randn(3)
    assert not torch.equal(sky(up, style), sky(side, style)) and not torch.equal(sky(up, style), sky(up, style + 1))


def test_the_decoder_sees_no_further_than_its_padding():
    torch.manual_seed(0)
    decoder, features = Decoder(4, 6, 3), torch.randn(1, 4, 20, 20)
    changed = features.clone()
    changed[..., 10, 10] += 1
    difference = (decoder(features, torch.zeros(1, 3)) - decoder(changed, torch.zeros(1, 3))).abs().sum(dim=1)[0]
    rows, columns = difference.nonzero().unbind(dim=1)
    assert rows.min() == 10 - Decoder.padding and columns.max() == 10 + Decoder.padding


def test_the_style_encoder_takes_pictures_of_any_size():
    encoder = StyleEncoder(16, 4, 3)
    assert encoder(torch.rand(2, 3, 24, 40))[0].shape == (2, 3)
    assert dataclasses.replace(SMALL, style_side=32).style_side == 32


@pytest.mark.parametrize("side", [4, 20])
def test_the_side_of_pictures_of_styles_is_a_power_of_two(side):
    with pytest.raises(ValueError, match=f"style_side is halved.*not {side}"):
        GeneratorSizes(style_side=side)
