"""What the generator of landscapes shows on worlds that nothing was trained on; intervals are over worlds.

    python benchmarks/landscapes.py                      # 24 worlds, 10 views each
    python benchmarks/landscapes.py --worlds 4 --views 4

- consistency: a view and one a step away are compared where both see the same point, by exact depth. A flat picture is
  consistent, too, so that texture (difference of neighbours of one label) stands beside, and the ratio of both.
- realism: kernel distance (KID) to photographs of other worlds, by an encoder that is trained here for this alone.
- scene code: distance to what the translator paints, with a world's own code, none, and another world's.
- style: what another style changes of colours, and of rendered depth.

Rows beside: exact shading, the translator that taught the generator, and each label in its mean colour under a lamp.
Figures and pictures go to benchmarks/results/landscapes.*
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from imageio.v3 import imwrite
from jaxtyping import Float, Int
from kernel_distance import Features, kernel_distances, scoring_encoder
from torch import Tensor
from torch.nn import functional

from maquette import plugins
from maquette.bench.statistics import mean_with_interval, paired_difference
from maquette.cameras.base import Cameras
from maquette.config.parts import part
from maquette.datasets.base import LabelledPictures
from maquette.images.pixels import to_bytes
from maquette.images.sheets import contact_sheet
from maquette.landscapes import Landscape, World
from maquette.landscapes.generator import Generator
from maquette.landscapes.translator import Translator
from maquette.landscapes.views import LandscapeView, camera_at, draw_camera, label_colors, look
from maquette.learners.landscape import inner
from maquette.learners.landscape_translator import label_means, pixels, planes, texture
from maquette.metrics.reprojection import sample_at
from maquette.randomness import Draws
from maquette.training.manifest import machine, revision
from maquette_nano.landscapes import seeds
from maquette_nano.landscapes.photographs import POSES, REACH, WORLD, photograph
from maquette_nano.landscapes.shading import Style, developed, normals, shade

SIDE = 64  # of a picture, as the photographs have
STEPS = {"0.3 cells, 1 degree": (0.3, 1.0), "1 cell, 3 degrees": (1.0, 3.0), "3 cells, 6 degrees": (3.0, 6.0)}
CLAIMED = "1 cell, 3 degrees"  # the step that the bars are about
NEAR, FAR = 0.01, 1e4  # of the projection, which only fixes a depth that is not read
TOLERANCE = 0.02  # of depth, relative, within which two views see the same point
LAMP = (0.4, -0.3, 0.86)  # towards the lamp of the row of mean colours
TEXTURE_BAR = 0.8  # of the photographs'
GENERATOR, TRANSLATOR = "nano-landscape", "nano-landscape-translator"  # weights
ROWS = ("exact shading", "generator", "translator", "mean colours")


@dataclass(frozen=True)
class Shot:
    """A camera over a world, what it meets with the generator's padding around it, and what paints it."""

    scene: Landscape
    camera: Cameras
    view: LandscapeView
    edge: int

    @property
    def labels(self) -> Int[Tensor, "H W"]:
        """Labels without the padding."""
        return inner(self.view.labels, self.edge)

    def stepped(self, cells: float, degrees: float) -> Shot:
        """The camera a step to its right, turned to the left, so that it goes on looking at the same place."""
        right = self.camera.c2w[0, :3, 0]
        camera = camera_at(
            self.camera.c2w[0, :3, 3] + cells * right, float(self.camera.azimuth_deg[0]) + degrees,
            float(self.camera.elevation_deg[0]), float(self.camera.fov_y_deg[0]), self.camera.height, self.camera.width,
        )  # fmt: skip
        return Shot(self.scene, camera, look(self.scene, camera, REACH), self.edge)


class Painters:
    """The ways to paint a shot in the style of a photograph, without gradient."""

    def __init__(self, generator: Generator, translator: Translator, colors: Float[Tensor, "labels 3"]) -> None:
        self.generator, self.translator, self.colors = generator, translator, colors
        self.edge = generator.architecture.padding

    def shot(self, scene: Landscape, draws: Draws) -> Shot:
        """A drawn camera over a world."""
        side = SIDE + 2 * self.edge
        return Shot(scene, *draw_camera(scene, draws, side, side, POSES, REACH), self.edge)

    def translated(self, shot: Shot, photographed: Tensor, draws: Draws) -> Float[Tensor, "H W 3"]:
        """By the translator; its noise belongs to the screen."""
        noise = draws.normal("noise", 1, *shot.labels.shape)
        return pixels(self.translator(shot.labels[None], photographed, noise))[0]

    def generated(self, shot: Shot, code: Tensor, style: Tensor) -> tuple[Float[Tensor, "H W 3"], Float[Tensor, "H W"]]:
        """By the generator, with the depth that it renders."""
        picture, depth = self.generator(shot.scene, shot.view, code, style)
        return picture.permute(1, 2, 0), inner(depth, self.edge)

    def shaded(self, shot: Shot, style: Style) -> Float[Tensor, "H W 3"]:
        """By the exact shading of photographs."""
        return inner(developed(shade(shot.scene, shot.view, style)).permute(2, 0, 1), self.edge).permute(1, 2, 0)

    def mean_colored(self, shot: Shot) -> Float[Tensor, "H W 3"]:
        """Each label in its mean colour, under a lamp."""
        view = shot.view
        facing = normals(shot.scene, view.points.reshape(-1, 3), view.kind.flatten()) @ torch.tensor(LAMP)
        lit = (0.6 + 0.5 * facing.clamp(min=0)).view_as(view.depth).where(view.depth.isfinite(), 1.0)
        colors = (self.colors[view.labels] * lit[..., None]).clamp(0, 1)
        return inner(colors.permute(2, 0, 1), self.edge).permute(1, 2, 0)


def reprojected(here: Shot, there: Shot, ours: Tensor, theirs: Tensor) -> Float[Tensor, " n"]:
    """Differences of colour of the points that two shots see, by exact depth."""
    met = inner(here.view.depth, here.edge).isfinite()
    points = inner(here.view.points.movedim(-1, 0), here.edge).movedim(0, -1)[met]
    clip = there.camera.clip_positions(points, NEAR, FAR)[0]
    at = torch.stack([clip[:, 0], -clip[:, 1]], dim=-1) / clip[:, 3:] * (there.camera.width / SIDE)
    inside = (clip[:, 3] > 0) & (at.abs() < 1 - 1 / SIDE).all(dim=-1)
    distance = (points - there.camera.c2w[0, :3, 3]).norm(dim=-1)
    visible_depth = sample_at(inner(there.view.depth, there.edge)[..., None], at, "nearest")[:, 0]
    both = inside & ((distance - visible_depth).abs() < TOLERANCE * distance)
    return (ours[met][both] - sample_at(theirs, at[both], "bilinear")).abs().mean(dim=-1)


@dataclass
class Measured:
    """What was measured on one world."""

    rows: dict[str, list[Tensor]]
    labels: list[Tensor]
    reprojection: dict[str, dict[str, list[float]]]
    codes: dict[str, list[float]]
    style: dict[str, list[float]]


@torch.no_grad()
def measure(
    painters: Painters,
    scene: Landscape,
    codes: Mapping[str, Tensor],
    photographs: LabelledPictures,
    seed: int,
    views: int,
) -> Measured:
    """All rows of one world.

    Args:
        codes: its own scene code, none, and another world's.
        photographs: whose styles are painted in, one a view.
        seed: of cameras, noise and styles.
    """
    measured = Measured({row: [] for row in ROWS}, [], {}, {name: [] for name in codes}, {"color": [], "depth": []})
    for view in range(views):
        draws = Draws(seed, view, "benchmark/")
        shot, light = painters.shot(scene, draws), Style.draw(draws)
        photographed = painters.translator.encode(planes(photographs.images[view : view + 1]))[0]
        painted = painters.translated(shot, photographed, draws)
        style = painters.generator.style_encoder(planes(painted[None]))[0]
        pictures = {
            "exact shading": painters.shaded(shot, light),
            "generator": painters.generated(shot, codes["own"], style)[0],
            "translator": painted,
            "mean colours": painters.mean_colored(shot),
        }
        for row, picture in pictures.items():
            measured.rows[row].append(picture)
        measured.labels.append(shot.labels)
        for name, step in STEPS.items():
            there = shot.stepped(*step)
            again = {
                "exact shading": painters.shaded(there, light),
                "generator": painters.generated(there, codes["own"], style)[0],
                "translator": painters.translated(there, photographed, draws),
                "mean colours": painters.mean_colored(there),
            }
            for row, picture in again.items():
                difference = reprojected(shot, there, pictures[row], picture)
                if len(difference) > SIDE:
                    measured.reprojection.setdefault(name, {}).setdefault(row, []).append(float(difference.mean()))
        for name, code in codes.items():
            error = functional.mse_loss(painters.generated(shot, code, style)[0], painted)
            measured.codes[name].append(float(-10 * error.log10()))
        compare_styles(painters, shot, codes["own"], style, photographs.images[(view + 1) % views], measured.style)
    return measured


def compare_styles(
    painters: Painters, shot: Shot, code: Tensor, style: Tensor, other_photograph: Tensor, into: dict[str, list[float]]
) -> None:
    """What the style of another photograph changes: colours in [0, 1], and depth in cells where something is met."""
    other = painters.generator.style_encoder(planes(other_photograph[None]))[0]
    (ours, near), (theirs, far) = (painters.generated(shot, code, each) for each in (style, other))
    met = inner(shot.view.depth, painters.edge).isfinite()
    into["color"].append(float((ours - theirs).abs().mean()))
    into["depth"].append(float((near - far)[met].abs().mean()))


def true_photographs(first: int, worlds: int, views: int) -> list[list[Tensor]]:
    """Photographs of worlds, a list for each."""
    scenes = [World(first + number, WORLD).window() for number in range(worlds)]
    return [
        [photograph(scene, Draws(first + n, view), SIDE)[0] for view in range(views)] for n, scene in enumerate(scenes)
    ]


@dataclass(frozen=True)
class Held:
    """Worlds that nothing was trained on, measured, and photographs of others.

    Args:
        measured: of each world.
        training: photographs that the translator learned from.
        dataset: has held-out photographs.
    """

    measured: list[Measured]
    training: LabelledPictures
    dataset: Any


def measure_worlds(weights: str, translator: str, worlds: int, views: int) -> Held:
    """Measure the first held-out worlds."""
    plugins.load()
    generator = Generator.load(weights).eval().requires_grad_(False)
    dataset = part("dataset", "nano-landscapes").build()
    dataset.prepare(torch.device("cpu"))
    training = dataset.batch(Draws(0, 0, "benchmark/"), 1024)
    painters = Painters(
        generator,
        Translator.load(translator).eval().requires_grad_(False),
        label_means(training.images, training.labels),
    )
    scenes = [World(seeds.HELD_OUT_WORLDS + number, WORLD).window() for number in range(worlds)]
    with torch.no_grad():
        codes = torch.cat([generator.scene_encoder(scene.encoder_input()[None]) for scene in scenes])
    measured = []
    for number, scene in enumerate(scenes):
        own = {"own": codes[number], "none": torch.zeros(2), "another world's": codes[(number + 1) % worlds]}
        photographs = dataset.held_out(Draws(0, number, "benchmark/"), views)
        measured.append(measure(painters, scene, own, photographs, seeds.HELD_OUT_WORLDS + number, views))
        typer.echo(f"world {number + 1} of {worlds}")
    return Held(measured, training, dataset)


def main(
    weights: Annotated[str, typer.Option(help="of the generator")] = GENERATOR,
    translator: Annotated[str, typer.Option(help="weights of the translator")] = TRANSLATOR,
    worlds: Annotated[int, typer.Option(help="held-out worlds")] = 24,
    views: Annotated[int, typer.Option(help="of each world")] = 10,
    results: Annotated[Path, typer.Option(help="folder of the figures")] = Path("benchmarks/results"),
) -> None:
    """Measure, and write the figures and the sheet."""
    held = measure_worlds(weights, translator, worlds, views)
    report = {
        "worlds": worlds, "views": views, "weights": weights,
        "realism": realism(held.measured, held.training, worlds, views), **summary(held.measured, held.dataset),
        "machine": machine(), "revision": revision(),
    }  # fmt: skip
    (results / "landscapes.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    imwrite(results / "landscapes.png", to_bytes(sheet(held.measured)))
    typer.echo(json.dumps(report["claims"], indent=1))


def realism(measured: Sequence[Measured], training: LabelledPictures, worlds: int, views: int) -> dict[str, Any]:
    """Kernel distance of each row to photographs of as many other worlds, with the difference to the mean colours."""
    encode = scoring_encoder(training)
    reference = true_photographs(seeds.SCORED, worlds, views)
    rows = {"photographs of other worlds": true_photographs(seeds.SCORED + worlds, worlds, views)}
    rows |= {row: [world.rows[row] for world in measured] for row in ROWS}

    def features(pictures: list[list[Tensor]]) -> Features:
        return [encode(torch.stack(world)) for world in pictures]

    return kernel_distances(
        {row: features(pictures) for row, pictures in rows.items()}, features(reference), "mean colours"
    )


def summary(measured: Sequence[Measured], dataset: Any) -> dict[str, Any]:
    """Means over worlds of what is not realism, and the claims."""
    held_out = dataset.held_out(Draws(0, 0, "benchmark/"), 400)
    textures = {
        row: [texture(torch.stack(world.rows[row]), torch.stack(world.labels)) for world in measured] for row in ROWS
    }
    photographs = texture(held_out.images, held_out.labels)
    errors = {
        step: {row: [float(np.mean(world.reprojection[step][row])) for world in measured] for row in ROWS}
        for step in STEPS
    }
    ratio = {row: (np.array(errors[CLAIMED][row]) / np.array(textures[row])).tolist() for row in ROWS}
    codes = {name: [float(np.mean(world.codes[name])) for world in measured] for name in measured[0].codes}
    styles = {name: [float(np.mean(world.style[name])) for world in measured] for name in measured[0].style}
    better = paired_difference(errors[CLAIMED]["generator"], errors[CLAIMED]["translator"])
    fractions = np.array(textures["generator"]) / photographs
    of_exact = np.array(textures["generator"]) / np.array(textures["exact shading"])
    return {
        "reprojection": {step: means(rows) for step, rows in errors.items()},
        "texture": {"photographs": photographs, **means(textures)},
        "reprojection divided by texture": means(ratio),
        "scene code": means(codes) | {
            f"own minus {name}": paired_difference(codes["own"], codes[name]) for name in codes if name != "own"
        },
        "style": means(styles),
        "claims": {
            "reprojection, generator minus translator": better,
            "texture, of the photographs'": mean_with_interval(fractions.tolist()),
            "texture, of exact shading's of the same views": mean_with_interval(of_exact.tolist()),
            "consistency and texture together": bool(
                better["interval_95"][1] < 0 and fractions.mean() >= TEXTURE_BAR
            ),
        },
    }  # fmt: skip


def means(rows: Mapping[str, list[float]]) -> dict[str, Any]:
    return {name: mean_with_interval(values) for name, values in rows.items()}


def sheet(measured: Sequence[Measured]) -> np.ndarray:
    """A column for each of the first worlds: labels, exact shading, generator, translator, mean colours."""
    columns = measured[:12]
    rows = [torch.cat([label_colors(world.labels[0][None]) for world in columns])]
    rows += [torch.stack([world.rows[row][0] for world in columns]) for row in ROWS]
    names = ("labels", *ROWS)
    return contact_sheet([[picture.numpy() for picture in row] for row in rows], row_labels=names)


if __name__ == "__main__":
    typer.run(main)
