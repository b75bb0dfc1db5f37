"""Stereo films and pictures out of flat ones."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from imageio.v3 import imwrite
from jaxtyping import Float
from torch import Tensor

from maquette.annotations import Count, InputPath, NonNegative, Range
from maquette.config.parts import StereoSpec
from maquette.errors import ConfigError
from maquette.files import atomic_path, display_path
from maquette.images.pixels import to_bytes
from maquette.images.reading import read_picture
from maquette.images.resampling import downsample
from maquette.images.sheets import contact_sheet
from maquette.registry import register
from maquette.stages.base import Pace, Stage, StageContext
from maquette.stages.film_pieces import Pictures
from maquette.stages.stereo_film import HALF, FilmSettings, StereoFilm
from maquette.stereo.base import Depth3D, RightView
from maquette.stereo.layouts import anaglyph, grey_shifts, half_side_by_side, over_under, side_by_side
from maquette.stereo.packing import packing_of
from maquette.video.probing import VideoInfo, inspect_video
from maquette.video.reading import frames_at

_log = logging.getLogger(__name__)

Output = Literal["side-by-side", "half-side-by-side", "over-under", "anaglyph", "disparity"]
LAYOUTS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "side-by-side": side_by_side, HALF: half_side_by_side, "over-under": over_under, "anaglyph": anaglyph,
}  # fmt: skip
"""Layout of two views -> how it is made."""
ALL: tuple[Output, ...] = ("side-by-side", "half-side-by-side", "over-under", "anaglyph", "disparity")
SHEET_WIDTH = 480  # of each picture on a preview, at most
LOOKS = (0.1, 0.3, 0.5, 0.7, 0.9)  # places in a film that are looked at for two views
LOOK_SIZE = (144, 256)  # rows and columns of such frames


@register("stage", "stereo")
class MakeStereo(Stage):
    """Make a stereo film of a film, or a stereo picture of a picture, in several layouts; files go to `export/`.

    The given view is the left one. A film's frames are read one after the other and its sound is kept; pieces that are
    made stay when a run is stopped.
    """

    @dataclass(frozen=True)
    class Config:
        stereo: StereoSpec  # makes the right view
        video: InputPath = ""  # path of a film
        image: InputPath = ""  # path of a picture, instead
        outputs: tuple[Output, ...] = ALL  # layouts; disparity: the shifts as grey values, near things bright
        strength: NonNegative = 1.0  # factor of all shifts; 0 is flat
        convergence: Annotated[float, Range(-0.2, 0.2)] = 0.0  # moves all behind the screen, fraction of the width
        smoothing: Annotated[float, Range(0, 0.99)] = 0.0  # weight of earlier frames in an average over time
        piece: Count = 60  # frames of a film after which a stopped run can go on
        batch: Count = 4  # frames of a film that are estimated together
        crf: Annotated[int, Range(0, 51)] = 18  # quality of films by x264, less is better
        accept_stereo: bool = False  # convert a film that seems to hold two views already

        def __post_init__(self) -> None:
            if not self.outputs:
                raise ValueError(f"outputs: name at least one of {', '.join(ALL)}")

        @property
        def depth(self) -> Depth3D:
            """How shifts are shown."""
            return Depth3D(self.strength, self.convergence)

    def __init__(self, config: Config) -> None:
        self.config = config
        if config.video and config.image:
            raise _one_input("both")
        for key, what in (("video", "film"), ("image", "picture")):
            path = getattr(config, key)
            if path and not Path(path).expanduser().is_file():
                raise ConfigError(
                    f"there is no {what} {display_path(Path(path))}", key=key, hint=f"give the path of a {what}"
                )

    def check_inputs(self, name: str) -> None:
        if not self.config.video and not self.config.image:
            raise _one_input("neither")
        if self.config.image:
            self._left()
        else:
            video = inspect_video(Path(self.config.video).expanduser())
            if not self.config.accept_stereo:
                refuse_packed(video, name)

    def run(self, context: StageContext) -> None:
        if self.config.image:
            self._picture(context)
        else:
            self._film(context)

    def _picture(self, context: StageContext) -> None:
        left = self._left()
        with context.timings.measure("stereo"):
            estimate = self.config.stereo.build().estimate(left)
            pictures = self._layouts(left, estimate.right_view(left, self.config.depth))
        for name, values in pictures.items():
            _write(context.run.export / f"{name}.png", values[0].numpy())
        self._preview(context, 0, left, pictures)

    def _left(self) -> Float[Tensor, "1 H W 3"]:
        """The given picture, over white."""
        try:
            return read_picture(Path(self.config.image).expanduser()).over(1.0)
        except ConfigError as problem:
            raise ConfigError(
                problem.message, key="image", hint="give a picture; of a film, stereo is made by video=FILE"
            ) from problem

    def try_out(self, context: StageContext) -> Pace | None:
        if self.config.image:
            return None
        self.check_inputs(context.name)
        return self._converter(context, inspect_video(Path(self.config.video).expanduser())).try_out()

    def _film(self, context: StageContext) -> None:
        video = inspect_video(Path(self.config.video).expanduser())
        name = display_path(video.path)
        _log.info(
            "%s: %d x %d, %.5g frames a second, %.1f s, %s", name, video.width, video.height, float(video.rate),
            video.seconds, f"sound {', '.join(video.sounds)}" if video.sounds else "silent",
        )  # fmt: skip
        if video.notes:
            _log.info("%s has %s", name, "; ".join(video.notes))
        film = self._converter(context, video)
        with context.timings.measure("film"):
            film.make(context.run.export, context.resume, context.name)

    def _converter(self, context: StageContext, video: VideoInfo) -> StereoFilm:
        c = self.config
        settings = FilmSettings(c.depth, c.smoothing, c.piece, c.batch, c.crf)
        return StereoFilm(
            video, c.stereo.build(), self._layouts, settings, context.checkpoints(keep=2),
            lambda frame, left, pictures: self._preview(context, frame, left, pictures),
        )  # fmt: skip

    def _layouts(self, left: Float[Tensor, "B H W 3"], view: RightView) -> Pictures:
        """The pictures of all outputs; without shifts there is no disparity.

        Raises:
            ConfigError: there is nothing else to make.
        """
        pictures: dict[str, Tensor] = {
            name: LAYOUTS[name](left, view.rgb) for name in self.config.outputs if name in LAYOUTS
        }
        if "disparity" in self.config.outputs and view.shift is not None:
            pictures["disparity"] = grey_shifts(view.shift, (left.shape[1], left.shape[2]))
        if not pictures:
            raise ConfigError(
                f"{self.config.stereo.name} knows of no shifts, which disparity is made of", key="outputs",
                hint=f"name another one of {', '.join(ALL)}",
            )  # fmt: skip
        return pictures

    def _preview(self, context: StageContext, frame: int, left: Float[Tensor, "1 H W 3"], pictures: Pictures) -> None:
        """Write a sheet of one frame for the report; that of the first is the contact sheet, too."""
        size = (left.shape[1], left.shape[2])
        columns = {"left": left}
        if "side-by-side" in pictures:
            columns["right"] = pictures["side-by-side"][:, :, size[1] :]
        columns |= {name: pictures[name] for name in ("anaglyph", "disparity") if name in pictures}
        scale = min(SHEET_WIDTH / size[1], 1.0)
        small = (max(round(size[0] * scale), 1), max(round(size[1] * scale), 1))
        row: list[np.ndarray | None] = [downsample(values, small)[0].numpy() for values in columns.values()]
        sheet = contact_sheet([row], column_labels=list(columns))
        _write(context.previews() / f"{frame:08d}.png", sheet)
        if not frame:
            _write(context.run.export / "sheet.png", sheet)


def refuse_packed(video: VideoInfo, stage: str) -> None:
    """Raise ConfigError for a film that holds two views already, by its metadata or by the look of its frames."""
    packing, source = video.packing, "its metadata says so"
    if not packing:
        packing = packing_of(frames_at(video, [place * video.seconds for place in LOOKS], LOOK_SIZE))
        source = "its halves show the same"
    if packing:
        raise ConfigError(
            f"{display_path(video.path)} is stereo already: {packing} ({source})", key="video",
            hint=f"give a film of one view, or convert it as it is: stages.{stage}.accept_stereo=true",
        )  # fmt: skip


def _write(path: Path, picture: np.ndarray) -> None:
    with atomic_path(path) as place:
        imwrite(place, to_bytes(picture))


def _one_input(number: str) -> ConfigError:
    return ConfigError(
        f"stereo is made of a film or of a picture, and there is {number}", key="video",
        hint="give video=CLIP or image=PICTURE",
    )  # fmt: skip
