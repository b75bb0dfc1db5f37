"""Every part of this repository passes the checks of its kind, those that need weights with tiny random ones."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from imageio.v3 import imwrite

from maquette import plugins, registry
from maquette.data.formats import save_posed_images
from maquette.export.writers import write_ply
from maquette.perception.network_folder import save_network
from maquette.stereo.network import Architecture, MultiScaleNetwork
from maquette.testing import check, inputs
from maquette.video.writing import Encoding, PieceWriter
from mesh_folder import write_meshes
from small_landscapes import saved_generator

NANO = {"objects": 6, "held_out_objects": 3, "workers": 1, "size": 16, "cache": "{files}/cache"}
PHOTOGRAPHS = {"photographs": 6, "held_out": 4, "per_world": 3, "size": 16, "cache": "{files}/photographs"}
VOXELS = {"type": "voxel-grid", "resolution": 8, "blob": "magic3d"}
TINY_LEARNER = {"size": 32, "widths": [16, 16], "attention_levels": 1, "sample_steps": 2}
TEXTS = {"text_width": 16, "text_layers": 1}
SIZES = {"shifts": 3, "first_shift": -1, "size": [32, 32], "widths": [4, 4, 8, 8, 8], "hidden": 8}
STEREO = {"sizes": SIZES}

CONFIGS: dict[tuple[str, str], dict[str, Any]] = {
    ("renderer", "patch"): {"base": {"type": "volume", "samples": 16}, "size": 8, "downsample": 2},
    ("geometry", "hash-grid"): {"levels": 2, "log2_table_size": 8},
    ("geometry", "sdf-grid"): {"levels": 2, "log2_table_size": 8},
    ("geometry", "dmtet"): {"resolution": 8, "levels": 2, "log2_table_size": 8},
    ("geometry", "flexicubes"): {"resolution": 8, "levels": 2, "log2_table_size": 8},
    ("geometry", "mesh"): {"subdivisions": 1, "colors": "vertex", "move_vertices": True},
    ("geometry", "sdf-voxels"): {"levels": [12]},
    ("geometry", "gaussians"): {"count": 60},
    ("geometry", "tensorf"): {"resolution": 8, "width": 8},
    ("geometry", "voxel-grid"): {"resolution": 8},
    ("background", "environment"): {},
    ("prior", "gaussian"): {"means": {"a red mug": [0.8, 0.2, 0.1]}},
    ("prior", "oracle"): {"path": "nano-views", "size": 16, "device": "cpu", "spread": 0.1},
    ("prior", "stable-diffusion"): {"path": "{tiny_stable_diffusion}"},
    ("prior", "stable-diffusion-xl"): {"path": "{tiny_xl}"},
    ("prior", "deepfloyd-if"): {"path": "{tiny_if}"},
    ("prior", "instruct-pix2pix"): {"path": "{tiny_edits}"},
    ("prior", "controlnet"): {
        "path": "{tiny_stable_diffusion}", "controlnet": "{tiny_control}", "control": "normal",
    },
    ("prior", "mvdream"): {"path": "{tiny_multi_view}"},
    ("prior", "zero123"): {"path": "{tiny_zero123}"},
    ("prior", "zero123plus"): {"path": "{tiny_zero123plus}", "layout": "v1.2"},
    ("loss", "clip-similarity"): {"path": "nano-clip"},
    ("loss", "prompt-similarity"): {"path": "nano-clip"},
    ("loss", "perceptual"): {"path": "nano-clip"},
    ("loss", "lpips"): {"path": "{vgg}"},
    ("data", "image"): {"path": "{files}/ball.png", "size": 16},
    ("data", "posed-images"): {"path": "{files}/views"},
    ("generator", "visual-hull"): {"resolution": 16},
    ("generator", "normal-fusion"): {"estimator": "nano-depth-normals", "hull": {"resolution": 16}},
    ("generator", "reconstructor"): {"weights": "nano-reconstructor"},
    ("stereo", "deep3d"): {"weights": "{stereo_weights}/selection"},
    ("stereo", "direct-regression"): {"weights": "{stereo_weights}/direct"},
    ("stereo", "depth-then-warp"): {"weights": "{stereo_weights}/depth"},
    ("generator", "one2345"): {
        "shape": "nano-one2345-shape", "surface": "nano-one2345-surface", "shape_steps": 2, "surface_steps": 2,
    },
    ("truth", "files"): {"surface": "{files}/ball.ply", "views": "{files}/views"},
    ("truth", "nano-object"): {"number": 0, "views": 2, "size": 16, "resolution": 24},
    ("metric", "janus"): {"reader": "nano-viewpoint", "views": 4, "size": 32},
    ("metric", "r-precision"): {
        "captions": {"a red mug": {"category": "mug"}, "a green house": {"category": "house"}}, "scorer": "nano-clip",
        "views": 2, "supersampling": 1,
    },
    ("metric", "surface-distance"): {"samples": 500, "resolution": 24},
    ("metric", "mesh-health"): {"resolution": 24},
    ("callback", "snapshot"): {"exporters": {"points": {"count": 100}}},
    ("metric", "clip-similarity"): {"scorer": "nano-clip", "views": 2, "supersampling": 1},
    ("metric", "lpips"): {"path": "{vgg}"},
    ("metric", "depth-normal"): {"views": 2, "size": 32},
    ("metric", "reprojection"): {"views": 4, "size": 32},
    ("metric", "round-trip"): {"views": 2, "size": 32, "resolution": 24, "texture_size": 32, "max_faces": 300},
    ("metric", "refview"): {"size": 32},
    ("metric", "refview-magic123"): {"size": 32},
    ("metric", "self-intersections"): {"resolution": 24},
    ("metric", "volume-iou"): {"samples": 16, "resolution": 24},
    ("exporter", "mesh"): {"resolution": 24, "texture_size": 32, "max_faces": 300},
    ("exporter", "turntable"): {"frames": 3, "size": 32},
    ("exporter", "contact-sheet"): {"size": 32},
    ("dataset", "picture"): {"path": "{files}/ball.png", "size": 16},
    ("dataset", "mesh-pairs"): {"path": "{boxes}", "size": 16, "views": 3, "workers": 1, "cache": "{files}/cache"},
    ("dataset", "nano-six-views"): {**NANO, "view_size": 8},
    ("dataset", "nano-volumes"): {**NANO, "resolution": 8},
    ("dataset", "nano-stereo"): {
        "clips": 2, "held_out_clips": 1, "frames": 2, "workers": 1, "cache": "{files}/cache",
    },
    ("dataset", "stereo-video"): {"path": "{films}", "size": [24, 40]},
    ("dataset", "nano-picture-volumes"): {**NANO, "resolution": 8},
    ("dataset", "nano-landscapes"): {**PHOTOGRAPHS},
    ("dataset", "nano-described-landscapes"): {**PHOTOGRAPHS},
    ("dataset", "nano-landscape-worlds"): {**PHOTOGRAPHS, "worlds": 1, "held_out_worlds": 1},
    ("learner", "landscape-translator"): {
        "widths": [8, 8], "hidden": 4, "style": 2, "encoder_widths": [8, 8], "opponent_widths": [8, 8],
    },
    ("learner", "image-text"): {**TEXTS, "size": 32, "width": 16, "layers": 1, "heads": 2, "projection": 8},
    ("learner", "text-to-image"): {**TINY_LEARNER, **TEXTS, "heads": 2, "tokens": 16},
    ("learner", "multi-view"): {"start": "{tiny_pixel_model}", "sample_steps": 2},
    ("learner", "novel-view"): {**TINY_LEARNER, "image_encoder": "nano-clip"},
    ("learner", "novel-view-finetune"): {
        "prior": "{tiny_pixel_model}", "image_encoder": "nano-clip", "sample_steps": 2,
    },
    ("learner", "depth-normals"): {
        "side": 32, "stem": 16, "stages": [16, 32, 32], "width": 32, "layers": 2, "fused": 16,
    },
    ("learner", "textual-inversion"): {
        "prior": {"type": "stable-diffusion", "path": "{tiny_stable_diffusion}"}, "init": "mug",
        "templates": ["a {}", "a red {}"],  # longer ones are cut off before the word, of which the model knows few
    },
    ("learner", "viewpoint"): {"start": "nano-clip"},
    ("learner", "stereo"): STEREO,
    ("learner", "stereo-direct"): STEREO,
    ("learner", "stereo-depth"): STEREO,
    ("stage", "export"): {"exporters": {"points": {"count": 100}}},
    ("stage", "evaluate"): {"data": {"type": "posed-images", "path": "{files}/views"}, "resolution": 24},
    ("stage", "optimise"): {
        "geometry": VOXELS, "material": "plain", "background": "solid", "steps": 2,
        "renderer": {"type": "volume", "samples": 16}, "cameras": {"type": "random-orbit", "size": 16},
        "losses": {"opacity": {"weight": 1.0}}, "loop": {"preview_every": 0, "log_every": 0},
    },
    ("stage", "reconstruct"): {
        "views": "{files}/views", "size": 16, "geometry": {"type": "sdf-voxels", "levels": [12]}, "steps": 2,
        "start": {"type": "visual-hull", "resolution": 16}, "hull": {"resolution": 16}, "texture_size": 16,
        "max_faces": 300,
    },
    ("stage", "stereo"): {"stereo": "constant-disparity", "image": "{files}/ball.png"},
    ("stage", "flight"): {
        "weights": "{landscape}", "world": {"size": 48, "scale": 0.1, "tree_scale": 0.3, "unbounded": True},
        "flight": {"frames": 4, "length": 16, "bends": 1, "smoothness": 6}, "size": [16, 24], "reach": 200, "stills": 1,
        "styles": 2, "mesh_step": 8, "texture_size": 16,
    },
    ("stage", "sample"): {
        "prior": {"type": "gaussian", "means": {"a red mug": [0.8, 0.2, 0.1]}}, "score": "cfg",
        "cameras": {"type": "orbit", "size": 16}, "sampling": {"steps": 2},
    },
}  # fmt: skip
"""Settings of the parts that have no defaults, or whose defaults are large; "{name}" is a fixture's path."""

WITHOUT = {
    ("learner", "landscape"): "its data set has worlds as well as batches",
    ("learner", "reconstructor"): "its batches have signed distances",
    ("learner", "one2345-shape"): "its batches have signed distances",
    ("learner", "one2345-surface"): "its batches have surfaces",
    ("learner", "six-views"): "its batches have six views",
    ("learner", "joint-novel-views"): "its batches are groups of pairs",
    ("matting", "rembg"): "it needs rembg and its weights",
    ("stage", "train"): "its sample sheet and its evaluation take minutes",
}
"""Parts that the kit has no tiny inputs for, with the reason; their own tests use them."""

plugins.load()
PARTS = [(kind, name) for kind in registry.KINDS for name in registry.names(kind) if (kind, name) not in WITHOUT]


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture, posed pictures and a mesh."""
    folder = tmp_path_factory.mktemp("files")
    imwrite(folder / "ball.png", (inputs.ball_views(1, 32).picture.rgba[0].numpy() * 255).astype("uint8"))
    views = inputs.ball_views(6, 32)
    save_posed_images(folder / "views", replace(views, split=("train",) * 4 + ("val", "test")))
    write_ply(folder / "ball.ply", inputs.ball_mesh())
    return folder


@pytest.fixture(scope="session")
def vgg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights in the layout of torchvision's VGG16."""
    torch.manual_seed(0)
    tensors, before, index = {}, 3, 0
    for after in (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0):
        if after:
            tensors[f"features.{index}.weight"] = torch.randn(after, before, 3, 3) * (2 / (9 * before)) ** 0.5
            tensors[f"features.{index}.bias"] = torch.zeros(after)
        before, index = after or before, index + (2 if after else 1)
    path = tmp_path_factory.mktemp("vgg") / "vgg16.pth"
    torch.save(tensors, path)
    return path


@pytest.fixture(scope="session")
def stereo_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random networks of Deep3D, a folder for each purpose."""
    folder = tmp_path_factory.mktemp("stereo")
    torch.manual_seed(0)
    for purpose in ("selection", "direct", "depth"):
        sizes = {**SIZES, "size": (32, 32), "widths": (4, 4, 8, 8, 8), "dropout": 0.0}
        architecture = Architecture(**sizes, purpose=purpose, frame=(32, 40))
        save_network(MultiScaleNetwork(architecture), architecture, folder / purpose)
    return folder


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short film of two views side by side."""
    path = tmp_path_factory.mktemp("films") / "film.mp4"
    with PieceWriter(path, (24, 80), Fraction(10), Encoding()) as writer:
        for i in range(20):
            writer.write(inputs.numbers("film", 24, 80, 3, seed=i).mul(255).byte().numpy())
    return path


@pytest.fixture(scope="session")
def landscape(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A generator of landscapes with random weights."""
    return saved_generator(tmp_path_factory.mktemp("landscape"))


@pytest.fixture(scope="session")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of four meshes."""
    return write_meshes(tmp_path_factory.mktemp("meshes"))


def filled(value: Any, request: pytest.FixtureRequest) -> Any:
    """Settings in which "{name}" is the path of a fixture."""
    if isinstance(value, dict):
        return {key: filled(item, request) for key, item in value.items()}
    if isinstance(value, str) and value.startswith("{"):
        name, _, rest = value[1:].partition("}")
        return f"{request.getfixturevalue(name)}{rest}"
    return value


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name"), PARTS, ids=[f"{kind}-{name}" for kind, name in PARTS])
def test_a_part_of_this_repository_conforms(kind: str, name: str, request: pytest.FixtureRequest) -> None:
    default = NANO if name.startswith("nano-") and kind == "dataset" else {}
    check(kind, name, filled(CONFIGS.get((kind, name), default), request) or None).require()
