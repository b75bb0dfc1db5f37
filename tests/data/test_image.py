"""The reference picture: framed about the object, with depth nearer-is-smaller and normals in the world."""

import re
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from maquette.data.image import ImageData
from maquette.errors import ConfigError, MissingDependency
from maquette.learners.depth_normals import DepthNormalsLearner
from maquette.perception.estimator import Estimator
from maquette.randomness import Draws, Moment


def write(path: Path, pixels: np.ndarray) -> Path:
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return path


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A red square of 20 px, off the centre of a picture of 100 x 80, with its maps beside it."""
    rgba = np.zeros((80, 100, 4))
    rgba[:, :, 1] = 255  # green where it is transparent
    rgba[10:30, 60:80] = (255, 0, 0, 255)
    depth = np.zeros((80, 100))
    depth[10:30, 60:80] = np.linspace(100, 200, 20)  # nearer to the right
    normal = np.full((80, 100, 3), 128)
    normal[10:30, 60:80] = (128, 128, 0)  # towards the camera
    write(tmp_path / "thing_depth.png", depth)
    write(tmp_path / "thing_normal.png", normal)
    return write(tmp_path / "thing_rgba.png", rgba)


def prepared(path: Path, **settings):
    made = ImageData(ImageData.Config(path=str(path), **settings))
    made.prepare(torch.device("cpu"))
    return made.sample(Moment(0, 1, Draws(0, 0)))


def test_the_object_is_centred_and_fills_its_share(picture):
    target = prepared(picture, size=40, fill=0.5)
    assert float(target.picture.alpha.sum()) == pytest.approx(400, abs=1e-2)
    assert float(target.picture.alpha[0, 10:30, 10:30].min()) == pytest.approx(1)
    inside = target.picture.alpha[0, ..., 0] > 0.5
    assert torch.allclose(target.picture.color[0][inside], torch.tensor([1.0, 0, 0]))  # no green comes in from outside


def test_without_fill_the_whole_picture_is_kept(picture):
    alpha = prepared(picture, size=50, fill=0).picture.alpha
    assert float(alpha[0, 10:20, 30:40].min()) == pytest.approx(1)  # half size, padded above and below by 5


def test_brighter_is_nearer(picture):
    depth = prepared(picture, size=40, fill=0.5).depth
    assert float(depth[0, 20, 12]) > float(depth[0, 20, 28]) > 0
    assert float(depth[0, 0, 0]) == 0


@pytest.mark.parametrize("azimuth", [0.0, 90.0])
def test_normals_towards_the_camera_point_at_it_in_the_world(picture, azimuth):
    target = prepared(picture, size=40, fill=0.5, azimuth_deg=azimuth)
    towards = torch.nn.functional.normalize(target.cameras.c2w[0, :3, 3], dim=0)
    assert torch.allclose(target.normal[0, 20, 20], towards, atol=0.02)


def test_priors_are_shown_the_picture_as_large_as_it_is(picture):
    made = ImageData(ImageData.Config(path=str(picture), size=16, fill=0.5, azimuth_deg=30))
    made.prepare(torch.device("cpu"))
    (reference,) = made.references()
    assert reference.picture.size == (40, 40) and reference.cameras.azimuth_deg.tolist() == [30]
    for grey in (1.0, 0.25):
        shown = reference.picture.over(grey)[0]
        assert torch.allclose(shown[20, 20], torch.tensor([1.0, 0, 0]))
        assert torch.allclose(shown[2, 2], torch.tensor(grey))


def test_a_picture_without_alpha_asks_for_rembg(tmp_path):
    path = write(tmp_path / "photo.png", np.full((16, 16, 3), 200))
    try:
        import rembg  # noqa: F401

        pytest.skip("rembg is installed")
    except ImportError:
        pass
    with pytest.raises(MissingDependency, match=r"pip install \"maquette\[image\]\""):
        prepared(path)
    assert float(prepared(path, matting=None, fill=0).picture.alpha.min()) == 1


def test_a_background_remover_without_its_model_names_the_remedies(tmp_path, monkeypatch):
    def unreachable(model):
        raise ConnectionError(f"Max retries exceeded with url: /{model}.onnx")

    monkeypatch.setitem(sys.modules, "rembg", SimpleNamespace(new_session=unreachable))
    monkeypatch.setenv("U2NET_HOME", str(tmp_path / "models"))
    path = write(tmp_path / "photo.png", np.full((16, 16, 3), 200))
    with pytest.raises(ConfigError, match=r"Max retries exceeded.*photo\.png.*matting=border .*or put u2net\.onnx"):
        prepared(path)
    with pytest.raises(ConfigError, match=re.escape(f"into {tmp_path / 'models'}")):
        prepared(path)


def test_wrong_pictures_are_named(tmp_path, picture):
    with pytest.raises(ValueError, match="there is no picture nowhere"):
        ImageData.Config(path="nowhere.png")
    with pytest.raises(ValueError, match=r"there is no picture .*, which is a folder"):
        ImageData.Config(path=str(tmp_path))
    with pytest.raises(ValueError, match=r"elevation_deg is from -90 .* not 200"):
        ImageData.Config(path=str(picture), elevation_deg=200)
    (tmp_path / "notes.png").write_text("no picture")
    with pytest.raises(ConfigError, match=r"cannot read this as a picture \(.*notes.png\)"):
        prepared(tmp_path / "notes.png")
    empty = write(tmp_path / "empty_rgba.png", np.zeros((8, 8, 4)))
    with pytest.raises(ConfigError, match="nothing in this picture is opaque"):
        prepared(empty)
    write(tmp_path / "thing_depth.png", np.zeros((5, 5)))
    with pytest.raises(ConfigError, match="5 x 5 pixels and its picture 100 x 80"):
        prepared(picture)


def test_an_object_that_vanishes_at_the_working_size_is_refused(tmp_path):
    rgba = np.zeros((512, 512, 4))
    rgba[20:22, 20:500] = 255  # a wire
    path = write(tmp_path / "wire_rgba.png", rgba)
    with pytest.raises(
        ConfigError, match=r"data\.size: the object vanishes at 32 x 32 .*raise data\.size or data\.fill"
    ):
        prepared(path, size=32)
    assert prepared(path, size=512).picture.alpha.max() > 0.5


def test_a_mask_file_cuts_the_object_out(tmp_path):
    path = write(tmp_path / "photo.png", np.full((80, 100, 3), 90))
    white = np.zeros((80, 100))
    white[10:30, 60:80] = 255
    target = prepared(path, size=40, fill=0.5, mask=str(write(tmp_path / "mask.png", white)))
    assert float(target.picture.alpha.sum()) == pytest.approx(400, abs=1e-2)
    with pytest.raises(ValueError, match="mask: there is no picture nowhere"):
        ImageData.Config(path=str(path), mask="nowhere.png")


@pytest.fixture
def estimator(tmp_path: Path) -> str:
    """A random network that sees depth and normals."""
    torch.manual_seed(0)
    sizes = {"side": 32, "stem": 16, "stages": (16, 32, 32), "width": 32, "layers": 2, "fused": 16}
    learner = DepthNormalsLearner(DepthNormalsLearner.Config(**sizes))
    learner.build(None)
    learner.save(tmp_path / "estimator")
    return str(tmp_path / "estimator")


def test_maps_that_are_not_there_are_estimated(picture, estimator):
    settings = {"size": 40, "fill": 0.5, "azimuth_deg": 90.0, "estimator": estimator}
    files = prepared(picture, **settings)
    (picture.parent / "thing_depth.png").unlink()
    mixed = prepared(picture, **settings)
    assert torch.equal(mixed.normal, files.normal) and not torch.equal(mixed.depth, files.depth)
    both = prepared(picture, **settings, normal="estimate")
    assert torch.equal(both.depth, mixed.depth) and not torch.equal(both.normal, files.normal)

    made = ImageData(ImageData.Config(path=str(picture), **settings))
    made.prepare(torch.device("cpu"))
    seen = Estimator(estimator).estimate(made.references()[0].picture.over(1.0))
    inside = both.picture.alpha[0, ..., 0] > 0.5
    right, up, back = both.cameras.c2w[0, :3, :3].T
    world = seen.normal[..., :1] * right + seen.normal[..., 1:2] * up + seen.normal[..., 2:] * back
    torch.testing.assert_close(both.normal[0][inside], world[0][inside])
    nearness, depth = seen.nearness[0][inside][:, 0], both.depth[0][inside][:, 0]
    assert float(torch.corrcoef(torch.stack([nearness, depth]))[0, 1]) == pytest.approx(-1, abs=1e-4)


def test_without_an_estimator_nothing_is_made_up(picture, estimator):
    for name in ("depth", "normal"):
        (picture.parent / f"thing_{name}.png").unlink()
    bare = prepared(picture)
    assert bare.depth is None and bare.normal is None
    some = prepared(picture, estimator=estimator, depth="")
    assert some.depth is None and some.normal is not None


def test_an_estimate_that_nobody_can_make_is_refused(picture, tmp_path):
    with pytest.raises(ValueError, match=r"depth: estimate needs an estimator: .*\(.*nano-depth-normals"):
        ImageData.Config(path=str(picture), depth="estimate")
    with pytest.raises(ValueError, match=r"there are no weights at '\./nowhere'"):
        ImageData.Config(path=str(picture), estimator="./nowhere")
    from transformers import DPTConfig, DPTForDepthEstimation, DPTImageProcessorPil

    sizes = {"hidden_size": 8, "num_hidden_layers": 4, "num_attention_heads": 1, "fusion_hidden_size": 8}
    config = DPTConfig(**sizes, image_size=32, backbone_out_indices=[0, 1, 2, 3], neck_hidden_sizes=[8] * 4)
    DPTForDepthEstimation(config).save_pretrained(tmp_path / "depth-only")
    DPTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(tmp_path / "depth-only")
    settings = {"estimator": str(tmp_path / "depth-only"), "size": 40, "fill": 0.5}
    with pytest.raises(ConfigError, match=r"data\.normal: .* sees depth and no normals; give the path of a normal map"):
        prepared(picture, **settings, normal="estimate")
    assert prepared(picture, **settings, depth="estimate").depth is not None
