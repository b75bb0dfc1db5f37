"""Pictures sampled from a prior without a method: their settings, cameras and files."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from maquette.annotations import CountOrNone, ElevationDeg, InputPath, Seed
from maquette.cameras.base import Cameras, orbit_cameras
from maquette.config import paths
from maquette.config.capabilities import ANY_CAMERA, REFERENCE
from maquette.config.origins import load_yaml, locate
from maquette.config.overrides import apply_settings, parse_overrides
from maquette.config.parts import CamerasSpec, MattingSpec, PartSpec, PriorSpec, ScoreSpec, check, part_field
from maquette.config.references import resolve_references
from maquette.data.base import Reference
from maquette.data.image import ImageData
from maquette.errors import ConfigError
from maquette.files import atomic_path, display_path
from maquette.images.picture import Picture
from maquette.images.pixels import to_bytes
from maquette.kernels.devices import limit_threads
from maquette.priors.base import Prior, Request
from maquette.randomness import Draws, Moment
from maquette.scores.cfg import CFG
from maquette.scores.sampling import Sampling, denoises_pixels
from maquette.stages.sample import sample_each
from maquette.stages.sampling_rules import SampleParts, check_sample
from maquette.stages.view_sheet import view_sheet
from maquette.training.run_folder import slug

NOVEL_VIEWS = 4  # of a picture, by default
DISTANCE, FOV_Y_DEG = 3.2, 35.0  # of the cameras, as the small priors know them; others do not depend on them
SMALL_SCALE, LARGE_SCALE = 3.0, 7.5  # of classifier-free guidance: for novel views or pixels, and for others
BATCH = 4  # views that are denoised at a time
ROW = 6  # pictures in a row of the sheet


@dataclass(frozen=True)
class Pictures:
    """What is sampled from a prior."""

    prior: PriorSpec
    prompt: str = ""
    negative_prompt: str = ""
    image: InputPath = ""  # picture that a prior of novel views continues
    mask: InputPath = ""  # of that picture, white where the object is
    matting: MattingSpec | None = part_field("matting", "rembg")  # of that picture, if it has no alpha
    elevation_deg: ElevationDeg = 15.0  # of that picture's camera, and of the views
    cameras: CamerasSpec | None = None  # none: around the object, as the prior takes them
    score: ScoreSpec | None = None  # none: classifier-free guidance
    sampling: Sampling = field(default_factory=Sampling)
    count: CountOrNone = 0  # samples, or novel views of one; 0: 1 sample, or 4 novel views
    seed: Seed = 0  # of the first sample

    @property
    def views(self) -> int:
        """Number of views that the prior denoises together."""
        return self.prior.capabilities.views_per_object

    @property
    def continues_picture(self) -> bool:
        """Whether the prior makes novel views of a picture."""
        return REFERENCE in self.prior.capabilities.needs

    @property
    def seeds(self) -> list[int]:
        """Seed of each sample; novel views from any camera are all of one."""
        novel = self.continues_picture and self.views == 1
        return [self.seed + i for i in range(1 if novel else self.count or 1)]


def parse_pictures(prior: str, words: Sequence[str]) -> Pictures:
    """The settings of a prior by name or file, with key=value words over them.

    Raises:
        ConfigError: there is no such prior, a value is wrong or missing, or parts do not go together.
    """
    data, origins = load_yaml(paths.find_config(prior, "priors", "prior"))
    apply_settings(data, origins, parse_overrides(words, {})[1])
    pictures: Pictures = check(Pictures, resolve_references(data, origins), "", lambda key: locate(origins, key))
    if "prior.view_dependent" not in origins:
        pictures = replace(pictures, prior=with_prompt_as_typed(pictures.prior))
    check_pictures(pictures)
    return pictures


def with_prompt_as_typed(prior: PartSpec) -> PartSpec:
    """The prior without view prompts, if it has any."""
    if not hasattr(prior.config, "view_dependent"):
        return prior
    return replace(prior, config=replace(prior.config, view_dependent=False))


def check_pictures(pictures: Pictures) -> None:
    """Check that nothing is missing and that the parts go together.

    Raises:
        ConfigError: the prompt or the picture is missing, or parts do not go together.
    """
    key, example = ("image", "PICTURE.png") if pictures.continues_picture else ("prompt", "a red mug")
    if not getattr(pictures, key):
        raise ConfigError("missing value", key=key, hint=f'give it as {key}="{example}"')
    try:
        cameras = len(_sampled(pictures.cameras, 0)) if pictures.cameras else pictures.views
        check_sample(SampleParts(pictures.prior, _score(pictures), cameras, _data(pictures)))
    except ValueError as problem:
        raise ConfigError(str(problem)) from None


@dataclass(frozen=True)
class Samples:
    """Pictures of a prior.

    Args:
        rgb: of each seed [B, H, W, 3], in [0, 1], on the CPU.
        cameras: B, the same for each seed.
    """

    rgb: list[Float[Tensor, "B H W 3"]]
    cameras: Cameras


def sample(pictures: Pictures, prior: Prior | None = None, cameras: Cameras | None = None) -> Samples:
    """Sample what the settings ask for.

    Args:
        pictures: what to sample.
        prior: that of the settings, as built; None: it is built here.
        cameras: of one sample; None: those of the settings, or around the object.
    """
    limit_threads()
    references: tuple[Reference, ...] = ()
    if (spec := _data(pictures)) is not None:
        data = spec.build()
        data.prepare(torch.device("cpu"))
        references = data.references()
    built: Prior = prior or pictures.prior.build()
    cameras = _cameras(pictures, built, references) if cameras is None else cameras
    request = Request(pictures.prompt, pictures.negative_prompt, references)
    score, sampling = _score(pictures, built).build(), pictures.sampling
    draws = [Draws(seed, 0) for seed in pictures.seeds]
    rgb = sample_each("sampling", pictures.prior, built, request, cameras, score, sampling, draws, BATCH)
    return Samples(rgb, cameras)


def sample_pictures(pictures: Pictures, name: str, output: Path) -> Path:
    """Sample, and write the pictures and a sheet of them.

    Args:
        pictures: what to sample.
        name: of the prior; names the folder.
        output: folder that holds the pictures' folder.

    Returns:
        The folder of the pictures.

    Raises:
        ConfigError: the folder cannot be written.
    """
    samples = sample(pictures)
    subject = pictures.prompt or Path(pictures.image).stem
    folder = output.expanduser() / "samples" / slug(name) / slug(subject) / time.strftime("%Y%m%d-%H%M%S")
    try:
        _write(folder, pictures.seeds, samples, subject)
    except OSError as problem:
        raise ConfigError(
            f"cannot write here: {problem.strerror or problem}: {display_path(folder)}", hint="give another --output"
        ) from problem
    return folder


def _data(pictures: Pictures) -> PartSpec | None:
    """The picture to continue, as data of a stage."""
    if not pictures.image:
        return None
    try:
        config = ImageData.Config(
            path=pictures.image, mask=pictures.mask, matting=pictures.matting, elevation_deg=pictures.elevation_deg,
            distance=DISTANCE, fov_y_deg=FOV_Y_DEG, depth="", normal="",
        )  # fmt: skip
    except ValueError as problem:
        key, _, message = str(problem).partition(": ")
        raise ConfigError(message, key="mask" if key == "mask" else "image") from None
    return PartSpec("data", "image", ImageData, config)


def _score(pictures: Pictures, prior: Prior | None = None) -> PartSpec:
    """The score; classifier-free guidance if none is given, with a scale for the prior."""
    if pictures.score is not None:
        return pictures.score
    small = pictures.continues_picture or (prior is not None and denoises_pixels(prior))
    return PartSpec("score", "cfg", CFG, CFG.Config(scale=SMALL_SCALE if small else LARGE_SCALE))


def _sampled(cameras: PartSpec, seed: int) -> Cameras:
    return cameras.build().sample(Moment.at(0, 1, seed).sub("cameras"))


def _cameras(pictures: Pictures, prior: Any, references: Sequence[Reference]) -> Cameras:
    """Cameras of one sample: those that were asked for, or as the prior takes them, around the object."""
    if pictures.cameras is not None:
        return _sampled(pictures.cameras, pictures.seed)
    if pictures.views > 1 and ANY_CAMERA not in pictures.prior.capabilities.gives and references:
        return prior.cameras(references[0].cameras, DISTANCE)
    number = pictures.views
    if pictures.continues_picture and number == 1:
        number = pictures.count or NOVEL_VIEWS
    one = torch.ones(number)
    azimuth_deg = torch.arange(number) * (360 / number)
    return orbit_cameras(azimuth_deg, pictures.elevation_deg * one, DISTANCE * one, FOV_Y_DEG * one, 64)


def _write(folder: Path, seeds: Sequence[int], samples: Samples, title: str) -> None:
    from imageio.v3 import imwrite

    def write(name: str, picture: np.ndarray) -> None:
        with atomic_path(folder / f"{name}.png") as path:
            imwrite(path, to_bytes(picture))

    for seed, rgb in zip(seeds, samples.rgb, strict=True):
        for i, picture in enumerate(rgb.numpy()):
            write(f"seed-{seed}" if len(rgb) == 1 else f"seed-{seed}-view-{i}", picture)
    if len(samples.cameras) > 1:
        rows = [(f"seed {seed}", Picture.opaque(rgb)) for seed, rgb in zip(seeds, samples.rgb, strict=True)]
        write("sheet", view_sheet(rows, samples.cameras, title))
        return
    rows = [
        (f"seed {seeds[i]} on", Picture.opaque(torch.cat(samples.rgb[i : i + ROW]))) for i in range(0, len(seeds), ROW)
    ]
    write("sheet", view_sheet(rows, None, title))
