"""Networks are read whole or not at all, whoever asks for them."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from maquette import plugins
from maquette.errors import ConfigError
from maquette.perception.clip import Clip
from maquette.perception.image_encoder import ImageEncoder
from maquette.priors.zero123.projection import CameraProjection


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The tensors of a CLIP that may be spoilt."""
    shutil.copytree(plugins.weights()["nano-clip"], tmp_path, dirs_exist_ok=True)
    return tmp_path / "model.safetensors"


def spoil(file: Path, **changes: torch.Tensor | None) -> None:
    """Replace tensors by others; None: take them away."""
    tensors = {**load_file(file), **{name.replace("__", "."): value for name, value in changes.items()}}
    save_file({name: value for name, value in tensors.items() if value is not None}, file, {"format": "pt"})


LOADERS = pytest.mark.parametrize("load", [Clip, ImageEncoder.load])


@LOADERS
def test_a_clip_with_missing_tensors_is_refused(load, file):
    spoil(file, vision_model__pre_layrnorm__weight=None, visual_projection__weight=None)
    with pytest.raises(ConfigError, match=r"2 missing \(vision_model.pre_layrnorm.weight, visual_projection.weight\)"):
        load(str(file.parent))


@LOADERS
def test_a_clip_with_tensors_of_something_else_is_refused(load, file):
    spoil(file, vision_model__odd=torch.zeros(2), visual_projection__weight=torch.zeros(3, 3))
    with pytest.raises(
        ConfigError, match=r"1 unexpected \(.*odd\), 1 of another shape \(visual_projection.weight\); the file is"
    ):
        load(str(file.parent))


@LOADERS
def test_a_pickle_that_would_run_something_is_refused(load, file):
    class Harm:
        def __reduce__(self):
            return (Path.touch, (file.parent / "harmed",))

    file.unlink()
    torch.save({"visual_projection.weight": Harm()}, file.with_name("pytorch_model.bin"))
    with pytest.raises(ConfigError, match="cannot load a CLIP"):
        load(str(file.parent))
    assert not (file.parent / "harmed").exists()


def test_a_projection_of_another_width_is_named():
    with pytest.raises(ConfigError, match=r"1 of another shape \(proj.weight\)"):
        CameraProjection.of(torch.zeros(8, 9), torch.zeros(8))
