"""Zero123++ is told one picture and knows six cameras; what does not fit it is refused with what would."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from given_conditions import given
from PIL import Image
from safetensors.torch import load_file, save_file

from maquette.cameras import Cameras
from maquette.cameras.list import ListedCameras
from maquette.cameras.six_views import AZIMUTHS_DEG, ELEVATIONS_DEG
from maquette.config.parts import part
from maquette.data.base import Reference
from maquette.errors import ConfigError
from maquette.images.picture import Picture
from maquette.materials.base import Shading
from maquette.objectives.sds import SDS
from maquette.priors.base import Request
from maquette.priors.zero123plus.canvas import tile, untile
from maquette.priors.zero123plus.parts import ReferencePreprocessor
from maquette.priors.zero123plus.zero123plus import Zero123Plus
from maquette.randomness import Draws, Moment
from maquette.renderers.base import Rendering
from maquette.scores.cfg import CFG
from maquette.scores.denoiser import Denoiser
from views import around
from zero123plus_layouts import REFERENCE, SIZE, save_folder

LAYOUTS = ("latent", "pixels")


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("zero123plus")
    return {name: save_folder(place / name, latent=name == "latent") for name in LAYOUTS}


def load(path: Path, **config) -> Zero123Plus:
    settings = {"layout": "v1.2", "dtype": "float32", "device": "cpu", **config}
    return Zero123Plus(Zero123Plus.Config(path=str(path), **settings))


@pytest.fixture(scope="module")
def priors(folders) -> dict[str, Zero123Plus]:
    """In latents at the fixture's size, and in pixels at the model's own."""
    return {"latent": load(folders["latent"], size=SIZE), "pixels": load(folders["pixels"])}


@pytest.fixture(params=LAYOUTS)
def prior(priors, request) -> Zero123Plus:
    return priors[request.param]


def camera(azimuth: float, elevation: float = 0.0) -> Cameras:
    return around(azimuth, elevation=elevation, size=REFERENCE)


def request(seed: int = 0, azimuth: float = 0.0) -> Request:
    rgb = torch.rand(1, REFERENCE, REFERENCE, 3, generator=torch.Generator().manual_seed(seed))
    return Request("a red mug", references=(Reference(Picture.opaque(rgb), camera(azimuth)),))


def some_noise(prior: Zero123Plus, objects: int = 1) -> torch.Tensor:
    shape = prior.encode(torch.zeros(6 * objects, SIZE, SIZE, 3)).shape
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def noise_in(prior: Zero123Plus, told: Request, noisy: torch.Tensor, step: int = 500, name: str = "positive"):
    one = prior.cameras(told.references[0].cameras, 3.0)
    cameras = Cameras.cat([one] * (len(noisy) // 6))
    return prior.predict(noisy, torch.full((len(noisy),), step), prior.condition(told).at(cameras), cameras)[name]


def test_tiles_lie_row_by_row_and_come_back():
    views = torch.arange(2.0 * 6 * 3 * 4 * 4).view(12, 3, 4, 4)
    canvas = tile(views)
    assert canvas.shape == (2, 3, 12, 8)
    assert torch.equal(canvas[1, :, 4:8, 4:], views[6 + 3])  # the fourth view of the second object
    assert torch.equal(untile(canvas), views)


def test_pixels_are_denoised_as_they_are(priors):
    pictures = torch.rand(6, SIZE, SIZE, 3)
    latents = priors["pixels"].encode(pictures)
    torch.testing.assert_close(latents, pictures.permute(0, 3, 1, 2) * 2 - 1)
    torch.testing.assert_close(priors["pixels"].decode(latents), pictures)


def test_the_reference_counts_only_where_there_is_a_condition(prior):
    noisy = some_noise(prior)
    assert (noise_in(prior, request(0), noisy) - noise_in(prior, request(1), noisy)).abs().max() > 1e-3
    for name in ("unconditional", "empty"):
        here, there = (noise_in(prior, request(seed), noisy, name=name) for seed in (0, 1))
        assert torch.equal(here, there)


def test_the_text_does_not_count(prior):
    noisy, told = some_noise(prior), request()
    other = Request("a blue whale", "a red mug", told.references)
    assert torch.equal(noise_in(prior, told, noisy), noise_in(prior, other, noisy))


def test_a_view_knows_of_the_others_of_its_object_and_of_no_more(prior):
    noisy = some_noise(prior, objects=2)
    other = noisy.clone()
    other[5] += 1.0
    moved = (noise_in(prior, request(), other) - noise_in(prior, request(), noisy)).abs().flatten(1).amax(dim=1)
    assert (moved[:6] > 1e-4).all() and (moved[6:] < 1e-5).all()


def test_equal_arguments_give_equal_predictions(prior):
    noisy = some_noise(prior)
    assert torch.equal(noise_in(prior, request(), noisy), noise_in(prior, request(), noisy))


@pytest.mark.parametrize("layout", sorted(ELEVATIONS_DEG))
def test_the_cameras_are_those_of_the_list_sampler(folders, layout):
    config = ListedCameras.Config(
        azimuth_deg=AZIMUTHS_DEG, elevation_deg=ELEVATIONS_DEG[layout], azimuth_offset_deg=15.0
    )
    prior, listed = load(folders["pixels"], layout=layout), ListedCameras(config).sample(Moment(0, 1, Draws(0, 0)))
    assert prior.condition(request(azimuth=15.0)).at(listed).keys() == given(prior)
    torch.testing.assert_close(prior.cameras(camera(15.0), 3.0).c2w, listed.c2w)


def test_other_cameras_are_refused_with_those_that_would_do(priors):
    conditions = priors["pixels"].condition(request(azimuth=15.0))
    six = priors["pixels"].cameras(camera(15.0), 3.0)
    swapped = six[torch.tensor([0, 2, 1, 3, 4, 5])]
    message = (
        r"cameras: this prior has six views, v1.2's, and number 2 is from azimuth 105, elevation -10, not azimuth "
        r"165, elevation 20; use \{type: list, azimuth_deg: \[30, 90, 150, 210, 270, 330\], "
        r"elevation_deg: \[20, -10\], azimuth_offset_deg: 15\}"
    )
    with pytest.raises(ConfigError, match=message):
        conditions.at(swapped)
    with pytest.raises(ConfigError, match="number 1 is from azimuth 45"):
        conditions.at(priors["pixels"].cameras(camera(0.0), 3.0))


def test_azimuths_count_round_the_circle(priors):
    told = request(azimuth=300.0)
    six = priors["pixels"].cameras(camera(-60.0), 3.0)
    assert priors["pixels"].condition(told).at(six)


def test_pictures_must_come_in_sixes_at_one_level(priors):
    prior, noisy = priors["pixels"], torch.zeros(6, 3, SIZE, SIZE)
    six = prior.cameras(camera(0.0), 3.0)
    with pytest.raises(ConfigError, match="4 pictures are not groups of 6"):
        prior.encode(torch.zeros(4, SIZE, SIZE, 3))
    with pytest.raises(ConfigError, match="4 pictures are not groups of 6"):
        prior.condition(request()).at(six[:4])
    with pytest.raises(ConfigError, match=r"timesteps.shared: .* one noise level, not at several; set it to true"):
        prior.predict(noisy, torch.arange(6), prior.condition(request()).at(six), six)


def test_score_distillation_reaches_the_pictures(prior):
    views = prior.cameras(camera(0.0), 3.0)
    rgb = torch.rand(6, SIZE, SIZE, 3, requires_grad=True)
    opacity = torch.ones(6, SIZE, SIZE, 1)
    rendering = Rendering(rgb, opacity, opacity, None, None, Shading(), rgb)
    conditions = prior.condition(request()).at(views)
    objective = SDS(SDS.Config(timesteps=part("timesteps", "uniform", shared=True)))
    terms = objective(rendering, Denoiser(prior, CFG(CFG.Config()), conditions, views), Moment(0, 10, Draws(0, 0)))
    terms.total().backward()
    assert rgb.grad.isfinite().all() and (rgb.grad.abs().flatten(1).sum(dim=1) > 0).all()


def test_what_is_behind_the_reference_is_grey_where_that_is_known(priors):
    white = Picture.opaque(torch.ones(1, REFERENCE, REFERENCE, 3))
    six = priors["pixels"].cameras(camera(0.0), 3.0)
    clear, opaque = (
        priors["pixels"].condition(Request("", references=(Reference(picture, camera(0.0)),))).at(six)["positive"]
        for picture in (Picture(white.color, 0 * white.alpha), white)
    )
    torch.testing.assert_close(clear.picture, torch.full_like(clear.picture, 2 * 127 / 255 - 1))
    torch.testing.assert_close(opaque.picture, torch.ones_like(opaque.picture))


def test_references_are_resized_as_by_the_processor_of_the_layout(folders):
    from transformers import CLIPImageProcessorPil

    place = folders["latent"] / "feature_extractor_vae"
    pixels = torch.randint(0, 256, (40, 40, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    processor = CLIPImageProcessorPil.from_pretrained(place)
    expected = processor(images=Image.fromarray(pixels.numpy()), return_tensors="pt").pixel_values
    found = ReferencePreprocessor(place / "preprocessor_config.json")(pixels[None].float() / 255)
    torch.testing.assert_close(found, expected, rtol=0, atol=1 / 255 / 0.8)  # it rounds to 8 bits


@pytest.mark.parametrize(
    ("told", "message"),
    [
        (Request("a mug"), r"continues a picture, and there is none; give the stage data: \{type: image"),
        (
            Request("", references=(Reference(Picture.opaque(torch.zeros(1, 8, 9, 3)), camera(0.0)),)),
            "is square, not 9 x 8 pixels",
        ),
        (
            Request("", references=request().references + request(1).references),
            "data.references: this prior continues one picture, not 2",
        ),
    ],
)
def test_one_square_reference_is_needed(priors, told, message):
    with pytest.raises(ConfigError, match=message):
        priors["pixels"].condition(told)


def test_the_cameras_follow_from_the_name_or_are_asked_for(folders, tmp_path):
    named = tmp_path / "zero123plus-v1.1"
    named.symlink_to(folders["pixels"])
    assert load(named, layout="auto").layout == "v1.1"
    assert load(named, layout="v1.2").layout == "v1.2"
    with pytest.raises(ValueError, match=r"does not say which six cameras it has; set layout: v1\.1"):
        Zero123Plus.Config(path=str(folders["pixels"]))


def test_another_model_is_refused(tiny_zero123):
    with pytest.raises(ConfigError, match=r"is no Zero123\+\+ model: .* names no text_encoder, .*ramping_coefficients"):
        load(tiny_zero123)


@pytest.mark.parametrize(
    ("part", "file", "name"),
    [
        ("unet", "diffusion_pytorch_model", "conv_in.weight"),
        ("vae", "diffusion_pytorch_model", "quant_conv.bias"),
        ("vision_encoder", "model", "visual_projection.weight"),
        ("text_encoder", "model", "final_layer_norm.bias"),
    ],
)
def test_missing_and_unexpected_tensors_are_named(folders, tmp_path, part, file, name):
    folder = shutil.copytree(folders["latent"], tmp_path / "model")
    weights = folder / part / f"{file}.safetensors"
    tensors = load_file(weights)
    tensors["of.another"] = tensors.pop(name)
    save_file(tensors, weights, metadata={"format": "pt"})
    last = name.split(".")[-1]
    with pytest.raises(ConfigError, match=rf"{part} of .*1 missing \(.*{last}\), 1 unexpected \(of.another\)"):
        load(folder).condition(request())


def test_coefficients_for_another_number_of_tokens_are_refused(folders, tmp_path):
    folder = shutil.copytree(folders["pixels"], tmp_path / "model")
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | {"ramping_coefficients": [0.5] * 77}))
    with pytest.raises(ConfigError, match="has 77 ramping coefficients for 16 tokens"):
        load(folder).condition(request())
