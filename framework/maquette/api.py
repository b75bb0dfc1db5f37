"""What `import maquette` hands out: methods are run and runs are read, and every part can be used alone.

    import maquette as mq

    run = mq.run("instant", prompt="a red mug")
    run.mesh, run.turntable, run.metrics

The names are those of the command line: `run`, `resume`, `show`, `inspect`. Errors are `maquette.errors.MaquetteError`,
whose text is the line that the command line prints.
"""

from __future__ import annotations

import inspect as signatures
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from maquette import plugins, registry
from maquette.cameras.base import Cameras, orbit_cameras
from maquette.config import paths
from maquette.config.loading import ResolvedConfig, load_method
from maquette.config.origins import Origin, load_yaml, top_level_text
from maquette.config.parts import PartOf, PartSpec, check
from maquette.config.references import resolve_references
from maquette.config.show import annotate_origins, legal_ranges
from maquette.config.stand_ins import load_with_stand_ins, text_with_stand_ins
from maquette.data.formats import PosedImages
from maquette.errors import ConfigError
from maquette.export.drawing import MeshDrawing
from maquette.export.writers import write_glb, write_obj, write_ply
from maquette.finished_run import Run, as_words
from maquette.images.picture import Picture
from maquette.images.pixels import to_bytes
from maquette.inspection import inspect_path
from maquette.loaded import Loaded
from maquette.meshes.mesh import Mesh
from maquette.meshes.placement import Placement
from maquette.meshes.reading import inspect_mesh
from maquette.meshes.reading import read_mesh as read_placed_mesh
from maquette.pipeline import run_method
from maquette.plugins.local import LocalParts
from maquette.priors.base import Prior
from maquette.runs.comparing import Comparison, compare_runs
from maquette.runs.folders import find_run
from maquette.scene import RenderedViews, Scene
from maquette.scores.base import Score
from maquette.scores.cfg import CFG
from maquette.scores.sampling import Sampling
from maquette.stages.finished import load_run
from maquette.stages.pictures import DISTANCE, FOV_Y_DEG, Pictures, check_pictures, sample, with_prompt_as_typed
from maquette.stages.view_sheet import view_sheet
from maquette.training.run_folder import RunFolder
from maquette.training.signals import Stopped

Subject = TypeVar("Subject", Mesh, Scene, Run)
WRITERS = {".glb": write_glb, ".obj": write_obj, ".ply": write_ply}


def run(method: str | Path, settings: Mapping[str, Any] | None = None, /, **keys: Any) -> Run:
    """Run a method, and return the finished run.

    Args:
        method: a method's name, or a YAML file.
        settings: dotted keys and their values, such as {"stages.nerf.steps": 400}; {"~stages.export": None} takes one
            out. A text is read as it is on the command line, so that "sdi" names a part and "{type: sdi}" is a mapping.
        keys: keys without a dot, such as prompt="a red mug", seed=3, prior="sd15".

    Raises:
        MaquetteError: the configuration is invalid, or a stage failed.
        KeyboardInterrupt: it was stopped; what is saved goes on with `resume`.
    """
    return _finish(lambda: run_method(_loaded(method, as_words({**(settings or {}), **keys}))))


def _loaded(method: str | Path, words: list[str]) -> ResolvedConfig:
    return load_method(str(method), words, local=LocalParts(True))  # the user names the method to run


def resume(path: str | Path, parts: Sequence[str | Path] = ()) -> Run:
    """Go on with a stopped run, by its folder; "last" is the newest below outputs.

    Args:
        path: the run folder, or "last".
        parts: local files to take in place of those that the run names.

    Raises:
        MaquetteError: it is no run folder, or a stage failed.
    """
    folder = RunFolder.open(find_run(str(path)).path)
    files = [Path(each) for each in parts]
    return _finish(lambda: run_method(load_run(folder, files, to_resume=True), folder.path))


def load(path: str | Path) -> Run:
    """A run by its folder, finished or not; "last" is the newest below outputs. Raises MaquetteError if it is none."""
    return Run(find_run(str(path)).path)


def compare(*runs: str | Path | Run) -> Comparison:
    """Runs side by side: the `settings` that differ, the `metrics` and the `times`, as rows of names and values."""
    folders = [one.folder if isinstance(one, Run) else find_run(str(one)) for one in runs]
    return compare_runs(folders)


def show(method: str | Path, settings: Mapping[str, Any] | None = None, /, **keys: Any) -> str:
    """The resolved configuration as YAML, each value with the file and line that it comes from; see `run`."""
    words = as_words({**(settings or {}), **keys})
    with TemporaryDirectory() as place:
        resolved = load_with_stand_ins(str(method), words, Path(place))
        text = text_with_stand_ins(resolved, Path(place))
    return annotate_origins(text, resolved.origin, legal_ranges(resolved.method))


def inspect(path: str | Path) -> Loaded[Any]:
    """What is read of a mesh, picture, folder of posed pictures, prior, LoRA or run: `.value`, and an account of it."""
    return inspect_path(str(path))


def methods() -> dict[str, str]:
    """Name -> summary of every method."""
    return {name: top_level_text(path, "summary") for name, path in paths.available("methods").items()}


def parts(kind: str = "") -> list[str]:
    """The names of all parts of a kind, or all kinds.

    Example:
        >>> parts("score")[:3]
        ['cfg', 'cfg-rescale', 'cfg-two']
    """
    plugins.load()
    return registry.names(kind) if kind else list(registry.KINDS)


def part(kind: str, name: str, /, **options: Any) -> Any:
    """A part, built: its options are checked as in a method file, and the others have their defaults.

    Args:
        kind, name: as in `parts`.
        options: fields of the part's Config, in the form that YAML has; and what the part is built with besides, such
            as the `bound` of a renderer.

    Raises:
        ConfigError: an option does not exist, or its value is wrong.

    Example:
        >>> part("score", "cfg", scale=10).config
        CFG.Config(scale=10.0, base='unconditional')
    """
    plugins.load()
    cls = registry.get(kind, name)
    parameters = list(signatures.signature(cls).parameters)[1:]
    settings = {field.name for field in fields(cls.Config)}
    dependencies = {key: options.pop(key) for key in parameters if key in options and key not in settings}
    return _spec(kind, {"type": name, **options}).build(**dependencies)


def prior(name: str | Path, /, **options: Any) -> Prior:
    """A prior by the name of its settings (`sd15`, `mvdream`, ...) or by a YAML file, with its weights loaded.

    Args:
        options: settings that differ from the file's, such as dtype="float32" or device="cuda".
    """
    plugins.load()
    settings, origins = _prior_file(name)
    return _spec("prior", {**settings, **options}, origins).build()


def orbit(
    count: int = 4, *, azimuth_deg: Sequence[float] = (), elevation_deg: float = 15.0, distance: float = DISTANCE,
    fov_y_deg: float = FOV_Y_DEG, size: int = 256,
) -> Cameras:  # fmt: skip
    """Cameras that look at the origin from around it; the first one sees the object's front.

    Args:
        count: number of cameras at equal angles.
        azimuth_deg: their angles around the object instead, counter-clockwise from above; 0 is the front.
        elevation_deg: above the horizon.
        distance: from the origin, in scene units.
        fov_y_deg: full angle of view.
        size: side of the pictures, in pixels.

    Example:
        >>> orbit(4).azimuth_deg.tolist()
        [0.0, 90.0, 180.0, 270.0]
    """
    angles = torch.tensor(list(azimuth_deg) or [360 / count * i for i in range(count)], dtype=torch.float32)
    one = torch.ones(len(angles))
    return orbit_cameras(angles, elevation_deg * one, distance * one, fov_y_deg * one, size)


def sample_views(
    prior: str | Path | Prior, prompt: str = "", *, image: str | Path = "", negative_prompt: str = "", count: int = 0,
    seed: int = 0, cameras: Cameras | None = None, steps: int = 25, scale: float | None = None,
    score: Score | None = None, elevation_deg: float = 15.0,
) -> Float[Tensor, "B H W 3"]:  # fmt: skip
    """Pictures of a prior, in [0, 1]: of a text prior one for each seed, of a prior of several views all of them.

    Args:
        prior: one that is built, or its name.
        prompt: text, for priors that take one.
        image: a picture to continue, for priors of novel views.
        count: number of seeds, or of novel views of the one picture; 0: one seed, or four views.
        seed: of the first.
        cameras: of the views; None: around the object, as the prior takes them.
        steps: denoising steps.
        scale: of classifier-free guidance; None: 3 for priors of novel views or pixels, 7.5 for others.
        score: another way to combine the predictions.
        elevation_deg: of the camera of `image`, and of the views.
    """
    built = _prior_of_typed_prompts(prior) if isinstance(prior, (str, Path)) else prior
    score = CFG(CFG.Config(scale)) if scale is not None and score is None else score
    number = len(cameras) if cameras is not None and image and not count else count
    pictures = Pictures(
        _spec_of(built), prompt, negative_prompt, str(Path(image).expanduser().absolute()) if image else "",
        score=None if score is None else _spec_of(score), sampling=Sampling(steps=steps), count=number, seed=seed,
        elevation_deg=elevation_deg,
    )  # fmt: skip
    check_pictures(pictures)
    return torch.cat(sample(pictures, built, cameras).rgb)


def render(subject: Subject, cameras: Cameras) -> RenderedViews:
    """Unlit pictures of a mesh, a scene or a finished run: colour, alpha, depth and normals.

    A mesh is rasterised; a scene is drawn by its own renderer; of a run it is the scene.
    """
    if isinstance(subject, Mesh):
        return MeshDrawing(subject).render_cameras(cameras)
    scene = subject.scene if isinstance(subject, Run) else subject
    return scene.render_cameras(cameras)


def sheet(
    pictures: RenderedViews | PosedImages | Float[Tensor, "B H W 3"] | np.ndarray, columns: int = 6
) -> Image.Image:
    """Pictures side by side as one image, which a notebook shows; transparent parts over a checkerboard."""
    if isinstance(pictures, (RenderedViews, PosedImages)):
        all_pictures = pictures.picture
    else:
        all_pictures = Picture.opaque(torch.as_tensor(pictures).float().cpu())
    rows = [("", all_pictures[i : i + columns]) for i in range(0, len(all_pictures), columns)]
    return Image.fromarray(to_bytes(view_sheet(rows, None)))


def read_mesh(path: str | Path, placement: Placement | None = None) -> Mesh:
    """A mesh from an .obj, .glb, .gltf, .ply, .off or .stl file, its axes turned to the world's.

    Args:
        placement: where it is moved and how it is scaled; None: it stays where the file has it.
    """
    if placement is None:
        return inspect_mesh(path).unwrap(path)
    return read_placed_mesh(path, placement)


def save(mesh: Mesh, path: str | Path) -> Path:
    """Write a mesh as .glb, .obj (with its .mtl and .png) or .ply, and return the path."""
    path = Path(path).expanduser()
    if path.suffix not in WRITERS:
        raise ConfigError(f"a mesh is written as {', '.join(WRITERS)}, not as {path.suffix!r}", file=str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    WRITERS[path.suffix](path, mesh)
    return path


def _finish(running: Any) -> Run:
    try:
        return Run(running())
    except Stopped:  # ends a process; Python is told as it tells others
        raise KeyboardInterrupt("stopped; a checkpoint is saved: maquette.resume(RUN_FOLDER) goes on") from None


def _spec(kind: str, settings: Mapping[str, Any], origins: Mapping[str, Origin] | None = None) -> PartSpec:
    expected: Any = Annotated[PartSpec, PartOf(kind)]
    built: PartSpec = check(expected, settings, "", lambda key: (origins or {}).get(f"{kind}.{key}"))
    return built


def _spec_of(built: Any) -> PartSpec:
    """A part as it would stand in a method."""
    cls = type(built)
    return PartSpec(cls.kind, cls.part_name, cls, built.config)


def _prior_file(name: str | Path) -> tuple[dict[str, Any], Mapping[str, Origin]]:
    """The settings of a prior by name or file, with their origins."""
    data, origins = load_yaml(paths.find_config(str(name), "priors", "prior"))
    settings = resolve_references(data, origins).get("prior")
    return (settings if isinstance(settings, dict) else {"type": settings}), origins


def _prior_of_typed_prompts(name: str | Path) -> Prior:
    """The prior of a name, which takes a prompt as it is typed, without view prompts unless its file asks for them."""
    plugins.load()
    settings, origins = _prior_file(name)
    spec = _spec("prior", settings, origins)
    return (spec if "view_dependent" in settings else with_prompt_as_typed(spec)).build()
