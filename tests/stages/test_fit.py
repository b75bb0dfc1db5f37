"""Representations fitted to known views, as a user starts it: figures, pictures, resume with a growing cloud."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from command_line import logged, run_folder
from maquette.backgrounds.solid import Solid
from maquette.cameras.base import orbit_cameras
from maquette.config import load_method
from maquette.data.formats import PosedImages, save_posed_images
from maquette.errors import ConfigError
from maquette.geometry.voxel_grid import VoxelGrid
from maquette.materials.plain import Plain
from maquette.renderers.volume import Volume
from maquette.scene import Scene, Viewpoint

SIZE, TRAIN, TEST = 24, 10, 2
SMALL = [
    "stages.fit.loop.preview_every=0", "~stages.export", "stages.fit.loop.log_every=1",
]  # fmt: skip
REPRESENTATIONS = {
    "volume": [
        "stages.fit.geometry.levels=4", "stages.fit.geometry.log2_table_size=12", "stages.fit.renderer.samples=48",
        "stages.fit.learning_rates.default=3.0e-2",
    ],
    "gaussians": [
        "stages.fit.geometry.count=3000", "stages.fit.geometry.radius=0.6", "stages.fit.learning_rates.features=0.05",
    ],
    "dmtet": ["stages.fit.geometry.resolution=16", "stages.fit.geometry.levels=4", "stages.fit.geometry.radius=0.55"],
}  # fmt: skip


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dense ball of radius 0.5, red above and blue below, seen from twelve sides."""
    geometry = VoxelGrid(VoxelGrid.Config(resolution=48, shift=0.0))
    axis = torch.linspace(-1, 1, 48)
    x, y, z = torch.meshgrid(axis, axis, axis, indexing="ij")
    distance = (x.square() + y.square() + z.square()).sqrt() - 0.5
    geometry.grid.data.copy_(torch.stack([-distance * 2000, z.sign() * 4, -4 + 0 * z, -z.sign() * 4])[None])
    ball = Scene(geometry, Plain(Plain.Config()), Solid(Solid.Config()), Volume(Volume.Config(), 1.0), Viewpoint())
    count = TRAIN + TEST
    azimuth, elevation = torch.arange(count) * 150.0, torch.linspace(-40, 60, count)
    cameras = orbit_cameras(azimuth, elevation, torch.full((count,), 3.2), torch.full((count,), 35.0), SIZE)
    picture = ball.render_cameras(cameras).picture
    folder = tmp_path_factory.mktemp("views")
    split = ("train",) * TRAIN + ("test",) * TEST
    save_posed_images(folder, PosedImages(picture, cameras, split, tuple(f"view-{i:02d}" for i in range(count))))
    import trimesh

    trimesh.PointCloud(trimesh.creation.icosphere(4, 0.5).vertices).export(folder / "surface.ply")
    return folder


def fit(representation: str, views: Path, output: Path, steps: int, resolution: int = 32) -> Path:
    words = [f"data={views}", f"representation={representation}", f"output={output}", f"stages.fit.steps={steps}"]
    words += [f"stages.evaluate.resolution={resolution}", *SMALL, *REPRESENTATIONS[representation]]
    return run_folder("run", "fit-multiview", *words)


def measured(folder: Path) -> dict:
    return json.loads((folder / "export" / "evaluate.json").read_text())


@pytest.mark.claims
@pytest.mark.parametrize("representation", list(REPRESENTATIONS))
def test_a_ball_is_fitted(representation, views, tmp_path):
    found = measured(fit(representation, views, tmp_path, 200))
    assert found["psnr"] > 20 and found["silhouette_iou"] > 0.9 and found["chamfer"] < 0.1


@pytest.mark.parametrize("representation", list(REPRESENTATIONS))
def test_a_fit_comes_nearer_and_is_measured(representation, views, tmp_path):
    folder = fit(representation, views, tmp_path, 12, resolution=16)
    losses = [row["loss"] for row in logged(folder)]
    assert len(losses) == 12 and min(losses[-3:]) < losses[0]
    found = measured(folder)
    assert found["psnr"] > 0 and 0 <= found["silhouette_iou"] <= 1 and found["chamfer"] >= 0
    assert set(found["views"]) == {"view-10", "view-11"}
    assert (folder / "export" / "evaluate.png").stat().st_size > 0
    assert folder.parent.name == views.name


@pytest.mark.parametrize(
    "densification",
    [
        "{every: 5, gradient: 1.0e-9, prune: 0.001, reset_every: 9}",
        "{type: mcmc, every: 5, growth: 0.1, noise: 1000.0}",
    ],
)
def test_a_growing_cloud_resumes_to_the_same_bits(views, tmp_path, densification):
    folder = run_folder(
            "run", "fit-multiview", f"data={views}", "representation=gaussians", f"output={tmp_path}", *SMALL,
            "~stages.evaluate", "stages.fit.steps=24", "stages.fit.loop.checkpoint_every=12",
            "stages.fit.geometry.count=200",
            f"stages.fit.geometry.densification={densification}",
    )  # fmt: skip
    last = folder / "checkpoints" / "fit" / "step-00000024"
    whole = {name: load_file(last / f"{name}.safetensors") for name in ("model", "optimizer")}
    assert len(whole["model"]["scene.geometry.means"]) > 200
    shutil.rmtree(last)
    (folder / "state.json").write_text(json.dumps({"finished": []}))
    run_folder("resume", str(folder))
    for name, tensors in whole.items():
        again = load_file(last / f"{name}.safetensors")
        assert tensors.keys() == again.keys()
        assert all(torch.equal(tensors[key], again[key]) for key in tensors), name


def test_comparisons_need_data(views):
    with pytest.raises(ConfigError, match="loss 'rgb' compares with known views, but the stage has no 'data'"):
        load_method("dreamfusion", ["prompt=x", "stages.nerf.losses.rgb={weight: 1.0}"])


def test_guidance_needs_cameras():
    with pytest.raises(ConfigError, match="missing value: cameras"):
        load_method("dreamfusion", ["prompt=x", "~stages.nerf.cameras"])


def test_a_method_that_demands_data_says_how_to_give_it():
    with pytest.raises(ConfigError, match=r'data: missing value.*give it on the command line as data="..."'):
        load_method("fit-multiview", [])
