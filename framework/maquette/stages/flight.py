"""Flights over landscapes: films, stills, a sheet of styles, and the ground as a textured mesh."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from imageio.v3 import imwrite
from jaxtyping import Float
from torch import Tensor, nn

from maquette.annotations import Count, CountOrNone, InputPath, NumberOrPath, Pixels, Positive, Range, WeightsPath
from maquette.cameras.base import Cameras
from maquette.errors import ConfigError
from maquette.export.meshed import note_picture
from maquette.export.writers import write_glb
from maquette.files import atomic_path, display_path, file_hash
from maquette.images.pixels import to_bytes
from maquette.images.reading import read_picture
from maquette.images.sheets import contact_sheet
from maquette.landscapes import Landscape, World, WorldConfig
from maquette.landscapes.flight import FlightConfig, check_clear, flight, flight_through, read_path
from maquette.landscapes.generator import Generator, GeneratorSizes
from maquette.landscapes.pictures import read_landscape, write_classes, write_height
from maquette.landscapes.published import load_generator
from maquette.landscapes.rendering import LandscapeRenderer, Shot
from maquette.landscapes.styles import StyleDistribution
from maquette.landscapes.terrain import terrain
from maquette.landscapes.views import entropy, label_colors
from maquette.randomness import Draws
from maquette.registry import register
from maquette.stages.base import Pace, Stage, StageContext
from maquette.stages.film_pieces import FilmPieces, Pictures
from maquette.video.writing import Encoding

_log = logging.getLogger(__name__)

FILMS = {"flight": "the flight", "depth": "depth, near things bright", "semantics": "labels"}
"""Name of a film -> what it shows."""
STYLES_A_ROW = 3  # of the sheet
Place = Annotated[int, Range(-(2**31), 2**31)]
HALF_BRIGHT = 0.12  # distance of half brightness in films of depth, as a fraction of the window's side


@register("stage", "flight")
class Flight(Stage):
    """Fly over a landscape and write films of its look, depth and labels; files go to `export/`.

    The landscape is made from the seed of the method, or read from two PNG. A generator paints it in one style. Beside
    the films there are stills, a sheet of one view in several styles, and the ground as a mesh with the generator's
    colours. Frames that are made stay when a run is stopped.

    Source: Chen et al. 2023 (SceneDreamer, arXiv 2302.01330).
    """

    @dataclass(frozen=True)
    class Config:
        weights: WeightsPath  # of a generator: what the learner landscape saved, or the published checkpoint
        world: WorldConfig = field(default_factory=WorldConfig)  # how landscapes are made from seeds
        window: tuple[Place, Place] = (0, 0)  # x and y of the landscape's first cell in its world
        heightmap: InputPath = ""  # grey PNG of heights, instead of a world from the seed
        labels: InputPath = ""  # PNG of its classes
        style: NumberOrPath = "0"  # number of a drawn style, or a picture whose style is read
        path: NumberOrPath = "0"  # number of a drawn path, or a file of points
        flight: FlightConfig = field(default_factory=FlightConfig)  # how it goes
        size: tuple[Pixels, Pixels] = (540, 960)  # rows and columns of pictures
        reach: Positive = 1e6  # cells that are seen
        rate: Count = 30  # frames per second
        samples: CountOrNone = 0  # along a ray; 0: as many as in training
        stills: CountOrNone = 4
        styles: Count = 6  # on the sheet
        mesh_step: Count = 1  # cells between vertices of the mesh
        texture_size: Pixels = 1024  # side of its texture in texels
        piece: Count = 25  # frames after which a stopped run can go on
        crf: Annotated[int, Range(0, 51)] = 18  # quality of films by x264, less is better

    def __init__(self, config: Config) -> None:
        self.config = config
        if bool(config.heightmap) != bool(config.labels):
            first, other = ("heightmap", "labels") if config.heightmap else ("labels", "heightmap")
            raise ConfigError(
                f"a painted landscape needs {other} beside {first}", key=other,
                hint="each run leaves both in export/, to paint on",
            )  # fmt: skip
        for key, value in (("heightmap", config.heightmap), ("labels", config.labels)):
            if value and not Path(value).is_file():
                raise ConfigError(
                    f"there is no picture {display_path(Path(value))}", key=key, hint="give the path of one"
                )
        for key, what, value in (("style", "picture", config.style), ("path", "file", config.path)):
            if not value.isdecimal() and not Path(value).is_file():
                raise ConfigError(
                    f"there is no {what} {display_path(Path(value))}", key=key,
                    hint=f"give the path of one; or a number from 0 on, of a drawn {key}",
                )  # fmt: skip

    def run(self, context: StageContext) -> None:
        c, export = self.config, context.run.export
        renderer, cameras, style = self._prepared(context)
        scene = renderer.scene
        write_height(export / "heightmap.png", scene.window())
        write_classes(export / "labels.png", scene.window())
        title = f"{_landscape_words(c, context.method.seed)} in {_style_words(c.style)}"
        with context.timings.measure("film"):
            self._film(context, renderer, cameras, style, title)
        with context.timings.measure("stills"):
            best = self._stills(export, renderer, cameras, style, title)
        with context.timings.measure("styles"):
            self._sheet(export, renderer, cameras[best], style, title)
        with context.timings.measure("mesh"):
            texture = renderer.from_above(c.texture_size, style).numpy()
            write_glb(export / "mesh.glb", terrain(scene.window(), c.mesh_step, texture))

    def try_out(self, context: StageContext) -> Pace:
        renderer, cameras, style = self._prepared(context)
        seconds = self._pieces(context, len(cameras)).try_out(
            lambda start, count: _frames(renderer, cameras[start : start + count], style)
        )
        return Pace(len(cameras) + self.config.stills + self.config.styles, seconds)

    def _prepared(self, context: StageContext) -> tuple[LandscapeRenderer, list[Cameras], Tensor]:
        """The landscape with its look, the camera of each frame, and the style."""
        c = self.config
        generator = load_generator(c.weights, c.samples, "weights")
        with context.timings.measure("landscape"):
            scene = self._landscape(context.method.seed)
            cameras = self._cameras(scene, context.method.seed)
        return LandscapeRenderer.of(generator, scene, c.reach), cameras, self._style(generator)

    def _landscape(self, seed: int) -> Landscape:
        c = self.config
        if c.heightmap:
            return read_landscape(Path(c.heightmap), Path(c.labels), c.world)
        return World(seed, c.world).window(*c.window)

    def _cameras(self, scene: Landscape, seed: int) -> list[Cameras]:
        """One camera for each frame, none of them in or under anything."""
        c = self.config
        try:
            if c.path.isdecimal():
                cameras = flight(scene, Draws(seed, int(c.path), "path/"), c.flight, *c.size)
            else:
                cameras = flight_through(scene, read_path(Path(c.path)), c.flight, *c.size)
        except ValueError as problem:
            raise ConfigError(str(problem), key="path") from None
        check_clear(scene, cameras)
        return cameras

    def _style(self, generator: Generator) -> Float[Tensor, "1 S"]:
        if self.config.style.isdecimal():
            return self._styles(generator).draw(int(self.config.style))
        rgb = read_picture(Path(self.config.style)).over(1.0)
        with torch.inference_mode():
            return generator.style_encoder(rgb.permute(0, 3, 1, 2))[0]

    def _styles(self, generator: Generator) -> StyleDistribution:
        return StyleDistribution.load(self.config.weights, generator.architecture.style)

    def _film(
        self, context: StageContext, renderer: LandscapeRenderer, cameras: list[Cameras], style: Tensor, title: str
    ) -> None:
        pieces = self._pieces(context, len(cameras))

        def frames_of(start: int, count: int) -> Iterator[Pictures]:
            for number, pictures in enumerate(_frames(renderer, cameras[start : start + count], style)):
                if not number and pieces.previewed(start):
                    _write(context.previews() / f"{start:08d}.png", _strip(pictures))
                yield pictures

        pieces.make(nn.Module(), frames_of, context.resume, context.name)
        pieces.join(context.run.export)
        for name, what in FILMS.items():
            note_picture(context.run.export, [f"{name}.mp4"], f"{what}: {title}")

    def _pieces(self, context: StageContext, frames: int) -> FilmPieces:
        c = self.config
        rate = Fraction(c.rate)
        return FilmPieces(
            context.checkpoints(keep=2), frames, rate, c.piece, lambda name: Encoding(c.crf), self._source()
        )

    def _source(self) -> str:
        """Digest of the files that are given; "" without any."""
        inputs = (self.config.heightmap, self.config.labels, self.config.style, self.config.path)
        return " ".join(file_hash(Path(value)) for value in inputs if value and not value.isdecimal())

    def _stills(
        self, export: Path, renderer: LandscapeRenderer, cameras: list[Cameras], style: Tensor, title: str
    ) -> int:
        """Write the stills, and return the frame of them with most kinds of ground; without stills, the middle."""
        frames = np.linspace(0, len(cameras) - 1, self.config.stills + 2).round().astype(int)[1:-1].tolist()
        best, richest = len(cameras) // 2, -1.0
        for frame in frames:
            shot = renderer.shoot(cameras[frame], style)
            _write(export / f"still-{frame:04d}.png", shot.rgb.numpy())
            note_picture(export, [f"still-{frame:04d}.png"], f"frame {frame}: {title}")
            if (rich := entropy(shot.labels)) > richest:
                best, richest = frame, rich
        return best

    def _sheet(self, export: Path, renderer: LandscapeRenderer, camera: Cameras, style: Tensor, title: str) -> None:
        """One view in the style of the flight and in the first of the drawn ones that are others."""
        c = self.config
        chosen = [(f"the flight's: {_style_words(c.style)}", style)]
        others = [number for number in range(c.styles) if str(number) != c.style][: c.styles - 1]
        styles = self._styles(renderer.generator)
        chosen += [(f"style {n}", styles.draw(n)) for n in others]
        shots = [(name, renderer.shoot(camera, one).rgb.numpy()) for name, one in chosen]
        rows = [shots[at : at + STYLES_A_ROW] for at in range(0, len(shots), STYLES_A_ROW)]
        width = len(rows[0])
        sheets = [
            contact_sheet(
                [[rgb for _, rgb in row] + [None] * (width - len(row))],
                column_labels=[name for name, _ in row] + [""] * (width - len(row)),
                title="" if number else title,
            )
            for number, row in enumerate(rows)
        ]
        _write(export / "sheet.png", np.concatenate(sheets))
        note_picture(export, ["sheet.png"], "one view in several styles")

    def warm_up(self) -> None:
        config = WorldConfig(size=24, scale=0.03, tree_scale=0.3, unbounded=True)
        scene = World(0, config).window()
        sizes = GeneratorSizes(
            levels=2, features_per_level=2, log2_table_size=8, base_resolution=2, finest_resolution=8,
            code_base_resolution=2, code_finest_resolution=4, hidden=4, features=4, style=4, style_hidden=4,
            style_layers=1, sky_hidden=4, decoder_hidden=4, encoder_width=2, encoder_blocks=1, style_side=8,
            style_filters=2, samples=2,
        )  # fmt: skip
        with torch.random.fork_rng(devices=[]):
            renderer = LandscapeRenderer.of(Generator(sizes), scene)
        renderer.from_above(8, torch.zeros(1, sizes.style))


def _frames(renderer: LandscapeRenderer, cameras: list[Cameras], style: Tensor) -> Iterator[Pictures]:
    """The frames of all films from each camera."""
    bright = HALF_BRIGHT * max(renderer.scene.window_size)
    for camera in cameras:
        yield _pictures(renderer.shoot(camera, style), bright)


def _pictures(shot: Shot, bright: float) -> Pictures:
    """The frame of each film: near things are bright in that of depth, and the sky is black."""
    grey = (bright / (bright + shot.depth))[..., None].expand(-1, -1, 3)
    return {"flight": shot.rgb[None], "depth": grey[None], "semantics": label_colors(shot.labels)[None]}


def _strip(pictures: Pictures) -> np.ndarray:
    return contact_sheet([[values[0].numpy() for values in pictures.values()]], column_labels=list(pictures))


def _landscape_words(config: Any, seed: int) -> str:
    return f"landscape {Path(config.heightmap).stem}" if config.heightmap else f"world {seed}"


def _style_words(style: str) -> str:
    return f"style {style}" if style.isdecimal() else f"the style of {Path(style).name}"


def _write(path: Path, picture: np.ndarray) -> None:
    with atomic_path(path) as place:
        imwrite(place, to_bytes(picture))
