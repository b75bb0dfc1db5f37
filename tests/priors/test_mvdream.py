"""MVDream in all its layouts: what its own code computes, views that know of each other, cameras that are told."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from given_conditions import given
from safetensors.torch import load_file, save_file
from tiny_mvdream import SIZE, save_file_layout, save_port, state, theirs

from maquette.cameras import Cameras
from maquette.errors import ConfigError
from maquette.priors.base import Request
from maquette.priors.mvdream.camera_rows import camera_rows
from maquette.priors.mvdream.mvdream import MVDream
from views import around

RED = Request("a red mug")
LAYOUTS = ("file", "port", "own")


def cameras(*azimuths: float, elevation: float = 15.0, **where: float) -> Cameras:
    return around(*azimuths, elevation=elevation, size=SIZE, **where)


FOUR = cameras(0.0, 90.0, 180.0, 270.0)
THEIR_CAMERAS = Cameras.cat([FOUR, cameras(30.0, 120.0, 210.0, 300.0, elevation=40.0)])
"""Those of the fixtures: azimuths 90 degrees less than MVDream's, whose camera at 90 stands on our front."""


def load(settings: dict, **config) -> MVDream:
    return MVDream(MVDream.Config(**{"dtype": "float32", "device": "cpu", **settings, **config}))


@pytest.fixture(scope="module")
def own(tiny_multi_view) -> dict[str, str]:
    """A model that our own learner saved."""
    return {"path": str(tiny_multi_view)}


@pytest.fixture(scope="module")
def priors(tmp_path_factory, own) -> dict[str, MVDream]:
    """One of each layout."""
    folder = tmp_path_factory.mktemp("mvdream")
    (folder / "port").mkdir()
    settings = {"file": save_file_layout(folder, state()), "port": save_port(folder / "port", state()), "own": own}
    return {name: load(found, size=SIZE) for name, found in settings.items()}


@pytest.fixture(params=LAYOUTS)
def prior(priors, request) -> MVDream:
    return priors[request.param]


def predict(prior: MVDream, views: Cameras, noisy: torch.Tensor, step: int = 500) -> torch.Tensor:
    conditions = {"x": prior.condition(RED).at(views)["positive"]}
    return prior.predict(noisy, torch.full((len(views),), step), conditions, views)["x"]


def some_noise(prior: MVDream, count: int = 4) -> torch.Tensor:
    shape = prior.encode(torch.zeros(count, SIZE, SIZE, 3)).shape
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("layout", ["file", "port"])
def test_predictions_are_those_of_the_original_code(priors, layout):
    known = theirs()
    conditions = {"x": known["text"].repeat_interleave(4, dim=0)}
    found = priors[layout].predict(known["noisy"], known["steps"], conditions, THEIR_CAMERAS)["x"]
    torch.testing.assert_close(found, known["noise"], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(
        priors[layout].noise_schedule.alphas_cumprod, known["alphas_cumprod"], rtol=1e-5, atol=1e-8
    )


@pytest.mark.parametrize("layout", ["file", "port"])
def test_pictures_are_encoded_and_decoded_as_by_the_original_code(priors, layout):
    known = theirs()
    found = priors[layout].encode(known["picture"].permute(0, 2, 3, 1))
    torch.testing.assert_close(found, known["encoded"], rtol=1e-4, atol=1e-4)
    decoded = priors[layout].decode(known["latents"]).permute(0, 3, 1, 2)
    torch.testing.assert_close(decoded, (known["decoded"] / 2 + 0.5).clamp(0, 1), rtol=1e-4, atol=1e-4)


def test_cameras_are_told_as_by_the_original_code():
    torch.testing.assert_close(camera_rows(THEIR_CAMERAS), theirs()["camera"], rtol=0, atol=1e-5)


def test_the_distance_is_not_told():
    torch.testing.assert_close(camera_rows(cameras(10.0, distance=2.0)), camera_rows(cameras(10.0, distance=5.0)))


def test_every_condition_has_a_prediction_without_gradient(prior):
    conditions = prior.condition(RED).at(FOUR)
    noisy = some_noise(prior)
    found = prior.predict(noisy, torch.full((4,), 700), conditions, FOUR)
    assert found.keys() == given(prior)
    assert all(value.shape == noisy.shape and value.isfinite().all() for value in found.values())
    alone = prior.predict(noisy, torch.full((4,), 700), {"empty": conditions["empty"]}, FOUR)["empty"]
    torch.testing.assert_close(found["empty"], alone, rtol=1e-3, atol=1e-4)


def test_permuting_views_permutes_predictions(prior):
    order, noisy = torch.tensor([2, 0, 3, 1]), some_noise(prior)
    found = predict(prior, FOUR[order], noisy[order])
    torch.testing.assert_close(found, predict(prior, FOUR, noisy)[order], rtol=1e-3, atol=1e-4)


def test_the_camera_makes_a_difference(prior):
    noisy = some_noise(prior)
    low, high = (predict(prior, cameras(0.0, 90.0, 180.0, 270.0, elevation=at), noisy) for at in (0.0, 40.0))
    assert (low - high).abs().max() > 1e-3


def test_a_view_knows_of_the_others_of_its_group_and_of_no_more(prior):
    noisy, views = some_noise(prior, 8), Cameras.cat([FOUR, FOUR])
    other = noisy.clone()
    other[3] += 1.0
    moved = (predict(prior, views, other) - predict(prior, views, noisy)).abs().flatten(1).amax(dim=1)
    assert (moved[:4] > 1e-4).all() and (moved[4:] < 1e-6).all()


def test_any_number_of_views_is_a_group(own):
    pair = load(own, views=2)
    noisy, views = some_noise(pair), cameras(0.0, 180.0, 45.0, 225.0)
    both = predict(pair, views, noisy)
    torch.testing.assert_close(both[2:], predict(pair, views[2:], noisy[2:]), rtol=1e-3, atol=1e-4)


def test_pictures_must_come_in_groups(prior):
    with pytest.raises(ConfigError, match=r"prior.views: 3 pictures are not groups of 4; .*multiview-orbit"):
        prior.predict(torch.zeros(3, 3, 8, 8), torch.tensor([9, 9, 9]), {}, cameras(0.0, 0.0, 0.0))


def test_all_views_share_one_text_unless_view_words_are_asked_for(own):
    plain = load(own).condition(RED).at(FOUR)
    assert torch.equal(plain["positive"][0], plain["positive"][2])
    assert torch.equal(plain["positive"], plain["viewless"]) and torch.equal(plain["positive"], plain["side"])
    worded = load(own, view_dependent=True).condition(RED).at(FOUR)
    assert not torch.equal(worded["positive"][0], worded["positive"][2])


def test_what_is_missing_too_much_or_misshapen_in_a_file_is_named(tmp_path):
    tensors = state()
    del tensors["model.diffusion_model.camera_embed.0.weight"], tensors["first_stage_model.encoder.norm_out.bias"]
    with pytest.raises(ConfigError, match=r"UNet in .*reduced.pt .*tensors 1 missing \(camera_embed.0.weight\)"):
        load(save_file_layout(tmp_path, tensors))
    tensors = state() | {"model.diffusion_model.input_blocks.7.1.attn.weight": torch.zeros(1)}
    with pytest.raises(ConfigError, match=r"1 unexpected \(input_blocks.7.1.attn.weight\)"):
        load(save_file_layout(tmp_path, tensors))
    tensors = state() | {"model.diffusion_model.camera_embed.0.weight": torch.zeros(256, 12)}
    with pytest.raises(ConfigError, match=r"of another shape \(camera_embed.0.weight \[256, 12\], not \[256, 16\]\)"):
        load(save_file_layout(tmp_path, tensors))


def test_a_file_of_another_model_is_named_so(tmp_path):
    tensors = state() | {"image_embed.latents": torch.zeros(1)}  # of ImageDream
    with pytest.raises(ConfigError, match=r"1 unexpected \(image_embed.latents\); the file is incomplete, or of anot"):
        load(save_file_layout(tmp_path, tensors))


def test_an_incomplete_text_encoder_is_named(tmp_path):
    tensors = state()
    del tensors["cond_stage_model.model.ln_final.bias"]
    prior = load(save_file_layout(tmp_path, tensors))
    with pytest.raises(ConfigError, match=r"text encoder in .* 1 missing \(ln_final.bias\)"):
        prior.condition(RED)


@pytest.mark.parametrize("layout", ["port", "own"])
def test_an_incomplete_folder_is_named(layout, tmp_path, own):
    folder = tmp_path / "weights"
    folder.mkdir()
    if layout == "port":
        save_port(folder, state())
        name = "camera_embed.2.bias"
    else:
        shutil.copytree(own["path"], folder, dirs_exist_ok=True)
        name = "class_embedding.linear_2.bias"
    drop(folder / "unet" / "diffusion_pytorch_model.safetensors", name)
    with pytest.raises(ConfigError, match=rf"unet of .*1 missing \({name}\)"):
        load({"path": str(folder)})


def drop(file: Path, name: str) -> None:
    """Take a tensor out of a file."""
    tensors = load_file(file)
    del tensors[name]
    save_file(tensors, file, metadata={"format": "pt"})


def test_nothing_in_a_file_is_executed(tmp_path):
    class Harm:
        def __reduce__(self) -> tuple:
            return print, ("executed",)

    torch.save({"x": Harm()}, tmp_path / "harm.pt")
    with pytest.raises(ConfigError, match=r"harm.pt holds more than weights: it names print"):
        load({"path": str(tmp_path / "harm.pt")})


def test_models_without_cameras_or_with_a_picture_are_refused(tmp_path, tiny_pixel_model):
    with pytest.raises(ConfigError, match="takes no cameras; for a text-to-image model use stable-diffusion"):
        load({"path": str(tiny_pixel_model)})
    save_port(tmp_path, state())
    config = tmp_path / "unet" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"ip_dim": 16}))
    with pytest.raises(ConfigError, match="ImageDream"):
        load({"path": str(tmp_path)})


def test_a_path_that_is_not_there_is_refused_early():
    with pytest.raises(ValueError, match=r"there is no file 'nowhere/4view.pt'"):
        MVDream.Config(path="nowhere/4view.pt")


def test_a_model_that_does_not_say_its_size_asks_for_it(own, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(own["path"], folder)
    config = json.loads((folder / "unet" / "config.json").read_text())
    (folder / "unet" / "config.json").write_text(json.dumps({**config, "sample_size": None}))
    with pytest.raises(ConfigError, match=r"prior.path: .*sample_size None.*; set prior.size"):
        load({"path": str(folder)})
    assert load({"path": str(folder)}, size=SIZE).size == SIZE
