"""A stage whose known pictures are changed while it runs: assembly, and a resume to the same bits."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from command_line import logged, run_folder
from maquette.cameras.base import orbit_cameras
from maquette.config import load_method
from maquette.data.formats import PosedImages, save_posed_images
from maquette.errors import ConfigError
from maquette.images.picture import Picture


@pytest.fixture
def words(tmp_path: Path, tiny_pixel_model: Path) -> list[str]:
    """A short run on four pictures; every other step one of them is edited."""
    turns = torch.tensor([0.0, 90.0, 180.0, 270.0])
    cameras = orbit_cameras(turns, 0 * turns, 0 * turns + 3.2, 0 * turns + 35, 16)
    picture = Picture.from_rgba(torch.rand(4, 16, 16, 4, generator=torch.Generator().manual_seed(0)))
    save_posed_images(tmp_path / "views", PosedImages(picture, cameras, ("train",) * 4, tuple("abcd")))
    guidance = {
        "prior": {"type": "stable-diffusion", "path": str(tiny_pixel_model), "dtype": "float32", "device": "cpu"},
        "score": "cfg",
        "objective": {"type": "dataset-update", "every": 2, "steps": 2},
    }
    return [
        "fit-multiview", f"data={tmp_path / 'views'}", "prompt=a red mug", f"output={tmp_path / 'out'}",
        "stages.fit.steps=12", "stages.fit.geometry={type: voxel-grid, resolution: 8, channels: 4}",
        "stages.fit.renderer={type: volume, samples: 12, occupancy: {resolution: 4}}",
        "stages.fit.background={type: solid}", "~stages.fit.losses", f"stages.fit.guidance.edit={json.dumps(guidance)}",
        "stages.fit.loop={checkpoint_every: 6, log_every: 1}", "~stages.evaluate", "~stages.export",
    ]  # fmt: skip


def test_edited_pictures_come_back_to_the_same_bits(words):
    folder = run_folder("run", *words)
    last = folder / "checkpoints" / "fit" / "step-00000012"
    whole = {name: load_file(last / f"{name}.safetensors") for name in ("model", "optimizer")}
    assert whole["model"]["auxiliary.edit.done"].any() and whole["model"]["auxiliary.edit.pictures"].any()
    half = load_file(folder / "checkpoints" / "fit" / "step-00000006" / "model.safetensors")
    assert not torch.equal(half["auxiliary.edit.pictures"], whole["model"]["auxiliary.edit.pictures"])
    shutil.rmtree(last)
    (folder / "state.json").write_text(json.dumps({"finished": []}))
    run_folder("resume", str(folder))
    for name, tensors in whole.items():
        again = load_file(last / f"{name}.safetensors")
        assert tensors.keys() == again.keys()
        assert all(torch.equal(tensors[key], again[key]) for key in tensors), name


def test_every_other_step_has_an_edit(words):
    rows = logged(run_folder("run", *words))
    assert ["timestep" in row for row in rows] == [True, False] * 6
    shares = [row["edited"] for row in rows]
    assert shares == sorted(shares) and shares[0] == 0.25


def test_without_data_there_is_nothing_to_change():
    with pytest.raises(ConfigError, match="guidance 'sds' uses the data's pictures, but the stage has no 'data'"):
        load_method("dreamfusion", ["prompt=x", "stages.nerf.guidance.sds.objective=dataset-update"])


def test_known_pictures_have_no_normals(words):
    with pytest.raises(ConfigError, match="uses the data's pictures, which have no 'normal'"):
        load_method(words[0], [*words[1:], "stages.fit.guidance.edit.input=normal"])
