"""Zero123 is told a picture and a relative camera, in whatever layout its weights come."""

import json
import math
import os

import pytest
import torch
from given_conditions import given

from maquette.cameras import Cameras
from maquette.data.base import Reference
from maquette.errors import ConfigError
from maquette.images.picture import Picture
from maquette.materials.base import Shading
from maquette.objectives.sds import SDS
from maquette.priors.base import Request
from maquette.priors.zero123.conditions import ReferenceView, ReferenceViews
from maquette.priors.zero123.zero123 import Zero123
from maquette.randomness import Draws, Moment
from maquette.renderers.base import Rendering
from maquette.scores.cfg import CFG
from maquette.scores.denoiser import Denoiser
from views import around
from zero123_layouts import save_checkpoint, save_folder, tiny_state

LAYOUTS = ["checkpoint", "latent", "pixels"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Layout -> where a tiny model lies."""
    folder = tmp_path_factory.mktemp("zero123")
    return {
        "checkpoint": save_checkpoint(folder / "tiny.ckpt", tiny_state()),
        "latent": save_folder(folder / "latent", latent=True, dtype=torch.float16),
        "pixels": save_folder(folder / "pixels", latent=False),
    }


def load(path, **config) -> Zero123:
    config = {"size": 32} | config if str(path).endswith(".ckpt") else config
    return Zero123(Zero123.Config(path=str(path), dtype="float32", device="cpu", **config))


def camera(azimuth: float, elevation: float = 0.0, distance: float = 2.0) -> Cameras:
    return around(azimuth, elevation=elevation, distance=distance, fov=49.1, size=16)


def request(seed: int = 0, size: int = 24) -> Request:
    generator = torch.Generator().manual_seed(seed)
    return shown(torch.rand(1, size, size, 3, generator=generator), camera(20.0, 10.0))


def shown(rgb: torch.Tensor, cameras: Cameras) -> Request:
    return Request("", references=(Reference(Picture.opaque(rgb), cameras),))


def noise_in(prior: Zero123, told: Request, cameras: Cameras, name: str = "positive"):
    noisy = prior.encode(torch.full((len(cameras), 16, 16, 3), 0.3))
    steps = torch.full((len(cameras),), 600)
    return prior.predict(noisy, steps, prior.condition(told).at(cameras), cameras)[name]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_condition_gives_a_prediction_of_the_shape_of_what_is_denoised(weights, layout):
    prior = load(weights[layout])
    views = Cameras.cat([camera(0.0), camera(90.0, 30.0)])
    noisy = prior.encode(torch.rand(2, 16, 16, 3))
    found = prior.predict(noisy, torch.tensor([10, 900]), prior.condition(request()).at(views), views)
    assert found.keys() == given(prior)
    assert all(value.shape == noisy.shape and value.isfinite().all() for value in found.values())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_camera_and_the_picture_count_only_where_there_is_a_condition(weights, layout):
    prior = load(weights[layout])
    front, side = camera(0.0), camera(90.0)
    assert not torch.equal(noise_in(prior, request(), front), noise_in(prior, request(), side))
    assert not torch.equal(noise_in(prior, request(0), front), noise_in(prior, request(1), front))
    for name in ("unconditional", "empty"):
        here, there = noise_in(prior, request(0), front, name), noise_in(prior, request(1), side, name)
        assert torch.equal(here, there)


def test_only_the_relative_camera_counts(weights):
    prior, picture = load(weights["pixels"]), torch.rand(1, 16, 16, 3)
    here = noise_in(prior, shown(picture, camera(0.0)), camera(70.0))
    there = noise_in(prior, shown(picture, camera(300.0)), camera(10.0))
    torch.testing.assert_close(here, there)


def test_token_and_picture_are_what_the_projection_and_the_autoencoder_make(weights):
    prior, told = load(weights["latent"]), request(size=16)
    positive = prior.condition(told).at(camera(110.0, 40.0, 2.5))["positive"]
    rgb = told.references[0].picture.color
    embedding = prior.parts.image_encoder()(rgb)
    pose = [math.radians(10 - 40), math.sin(math.radians(90)), math.cos(math.radians(90)), 0.5]
    torch.testing.assert_close(positive.token, prior.projection(embedding, torch.tensor([pose])))
    torch.testing.assert_close(positive.picture * prior.codec.vae.config.scaling_factor, prior.encode(rgb))


@pytest.mark.parametrize(
    ("name", "pose", "fourth"),
    [
        ("zero123-xl", "auto", 0.5),
        ("Stable-Zero123", "auto", math.radians(80)),
        ("stable_zero123", "zero123", 0.5),
        ("mine", "stable-zero123", math.radians(80)),
    ],
)
def test_the_fourth_number_of_the_pose_follows_the_model(weights, tmp_path, name, pose, fourth):
    (tmp_path / name).symlink_to(weights["pixels"])
    prior = load(tmp_path / name, pose=pose)
    views = ReferenceViews(
        [ReferenceView(torch.zeros(24), torch.zeros(3, 4, 4), camera(0.0, 10.0), 1.0)], poses_of, prior.pose
    )
    token = views.at(camera(30.0, 10.0, 2.5))["positive"].token
    torch.testing.assert_close(token[0, 0], torch.tensor([0, 0.5, math.cos(math.radians(30)), fourth]))


def poses_of(embedding, pose):
    """In the place of a projection: the pose itself."""
    return pose[:, None]


def test_references_count_by_closeness_and_weight_and_far_ones_not_at_all():
    front, near, far = (
        ReferenceView(torch.zeros(1), torch.zeros(1, 1, 1), camera(a), w) for a, w in ((0, 1), (60, 0.5), (180, 1))
    )
    views = ReferenceViews([front, near, far], poses_of, "zero123")
    told = views.at(Cameras.cat([camera(20.0), camera(0.5)]))["positive"]
    assert told.owner.tolist() == [0, 0, 0, 1]  # from 0.5 degrees away only the first counts
    closeness = torch.tensor([1 / 20, 0.5 / 40, 1 / 160])
    torch.testing.assert_close(told.weight, torch.cat([closeness / closeness.sum(), torch.ones(1)]))


def test_a_prediction_is_the_mean_of_those_of_its_references(weights):
    prior = load(weights["latent"])
    one, two = request(0), shown(request(1).references[0].picture.color, camera(60.0, 10.0))
    middle = camera(40.0, 10.0)
    both = noise_in(prior, Request("", references=one.references + two.references), middle)
    alone = [noise_in(prior, told, middle) for told in (one, two)]
    torch.testing.assert_close(both, (alone[0] + alone[1]) / 2, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_score_distillation_reaches_the_picture(weights, layout):
    prior, views = load(weights[layout]), camera(75.0)
    rgb = torch.rand(1, 16, 16, 3, requires_grad=True)
    opacity = torch.ones(1, 16, 16, 1)
    rendering = Rendering(rgb, opacity, opacity, None, None, Shading(), rgb)
    conditions = prior.condition(request()).at(views)
    terms = SDS(SDS.Config())(
        rendering, Denoiser(prior, CFG(CFG.Config()), conditions, views), Moment(0, 10, Draws(0, 0))
    )
    terms.total().backward()
    assert rgb.grad.isfinite().all() and rgb.grad.abs().sum() > 0


def test_without_a_reference_the_remedy_is_named(weights):
    with pytest.raises(
        ConfigError, match=r"continues a picture, and there is none; give the stage data: \{type: image"
    ):
        load(weights["pixels"]).condition(Request("a mug"))


def test_a_reference_that_is_not_square_is_refused(weights):
    with pytest.raises(ConfigError, match=r"data: a reference is square, not 20 x 10 pixels"):
        load(weights["pixels"]).condition(shown(torch.zeros(1, 10, 20, 3), camera(0.0)))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("./nowhere", "there are no weights at"),
        ("zero123/nowhere.ckpt", "there is no checkpoint file 'zero123/nowhere.ckpt'"),
    ],
)
def test_weights_that_are_not_there_are_refused_before_anything_loads(name, message):
    with pytest.raises(ValueError, match=message):
        Zero123.Config(path=name)


def test_another_model_in_diffusers_layout_is_refused(tiny_stable_diffusion):
    with pytest.raises(ConfigError, match=r"is no Zero123 model: .* names no clip_camera_projection, image_encoder"):
        load(tiny_stable_diffusion)


def test_a_folder_with_missing_and_unexpected_tensors_is_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    file = save_folder(tmp_path / "model", latent=False) / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(file)
    tensors["conv_in.wait"] = tensors.pop("conv_in.weight")
    save_file(tensors, file)
    with pytest.raises(ConfigError, match=r"1 missing \(conv_in.weight\), 1 unexpected \(conv_in.wait\)"):
        load(tmp_path / "model")


def test_the_ports_that_have_only_pickles_are_read_without_running_them(tmp_path):
    from safetensors.torch import load_file

    folder = save_folder(tmp_path / "model", latent=True)
    before = noise_in(load(folder), request(), camera(50.0))
    renamed = {"model.safetensors": "pytorch_model.bin"}
    for file in folder.rglob("*.safetensors"):
        torch.save(load_file(file), file.with_name(renamed.get(file.name, "diffusion_pytorch_model.bin")))
        file.unlink()
    assert torch.equal(noise_in(load(folder), request(), camera(50.0)), before)


def test_a_port_whose_pickle_runs_something_is_refused(tmp_path):
    class Runs:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "made"),)

    folder = save_folder(tmp_path / "model", latent=False)
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    torch.save({"conv_in.weight": Runs()}, folder / "unet" / "diffusion_pytorch_model.bin")
    with pytest.raises(ConfigError, match=r"prior.path: cannot load unet of"):
        load(folder)
    assert not (tmp_path / "made").exists()


def test_the_other_name_of_the_projection_does(weights, tmp_path):
    folder = save_folder(tmp_path / "model", latent=False)
    (folder / "clip_camera_projection").rename(folder / "cc_projection")
    index = json.loads((folder / "model_index.json").read_text())
    index["cc_projection"] = index.pop("clip_camera_projection")
    (folder / "model_index.json").write_text(json.dumps(index))
    same = noise_in(load(weights["pixels"]), request(), camera(50.0))
    assert torch.equal(noise_in(load(folder), request(), camera(50.0)), same)
