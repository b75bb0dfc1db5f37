"""Deep3D on held-out stereo clips of the nano world, beside its baselines; intervals are over clips.

    python benchmarks/deep3d.py
    python benchmarks/deep3d.py --clips 6

Clips are of the test split: objects of held-out pairs of category and colour, grounds, walls and paths of their own.
All networks were trained on the same clips, for the same steps: Deep3D, Deep3D without side branches, direct
regression, and a depth network with true depth. The one shift of `constant` is the best over the test clips
themselves; the affine map of depth to shifts is fitted on training clips. `true depth` warps by the true shifts.
Differences are in levels of 255. Figures and pictures go to benchmarks/results/deep3d.*
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from imageio.v3 import imwrite
from jaxtyping import Float
from torch import Tensor

from maquette import plugins
from maquette.bench.statistics import mean_with_interval, paired_difference
from maquette.config.parts import part
from maquette.datasets.base import StereoPairs
from maquette.images.pixels import to_bytes
from maquette.images.sheets import contact_sheet
from maquette.stereo.base import Depth3D, RightView, Stereo
from maquette.stereo.estimates import LeftShifts
from maquette.stereo.layouts import anaglyph, grey_shifts
from maquette.training.manifest import machine, revision
from maquette_nano.stereo import StereoClips, load_clips

FRAMES = 5  # pairs of a clip
TEST_CLIPS = 48  # of which the first are measured
TEXTURE = 0.03  # difference of neighbouring columns above which a pixel has texture
NEUTRAL = Depth3D()
NETWORKS = {"deep3d": "nano-deep3d", "without side branches": "nano-deep3d-coarse"}
SHEET = (0, 7, 14, 21, 30)  # clips on the sheet
BARS = {"difference to the best constant": 0.9, "correlation of shifts": 0.7}


def main(
    clips: Annotated[int, typer.Option(help="test clips")] = 32,
    cache: Annotated[str, typer.Option(help="folder of the rendered clips")] = ".cache/nano-world",
    train_clips: Annotated[int, typer.Option(help="training clips of the recipe")] = 260,
    results: Annotated[Path, typer.Option(help="folder of the figures")] = Path("benchmarks/results"),
) -> None:
    plugins.load()
    test, train = load_clips("test", TEST_CLIPS, FRAMES, cache), load_clips("train", train_clips, FRAMES, cache)
    makers: dict[str, Stereo] = {
        name: part("stereo", "deep3d", weights=weights, compose="mixture").build() for name, weights in NETWORKS.items()
    }
    makers["deep3d, one shift a pixel"] = part("stereo", "deep3d", weights="nano-deep3d").build()
    makers["direct regression"] = part("stereo", "direct-regression", weights="nano-deep3d-direct").build()
    depth = part("stereo", "depth-then-warp", weights="nano-deep3d-depth").build()
    affine, usual = affine_map(depth, train), usual_shift(train)
    rows: dict[str, list[dict[str, float]]] = {}
    for clip in range(clips):
        pairs = test.select(torch.arange(clip * FRAMES, (clip + 1) * FRAMES))
        views = {name: maker.estimate(pairs.left).right_view(pairs.left, NEUTRAL) for name, maker in makers.items()}
        views["depth, then warp"] = depth.estimate(pairs.left).right_view(pairs.left, affine)
        views["true depth, then warp"] = true_warp(pairs)
        for name, view in views.items():
            rows.setdefault(name, []).append(measure(view, pairs))
        rows.setdefault("no shift", []).append(measure(RightView(pairs.left, None), pairs))
        rows.setdefault("usual shift of the pixel", []).append(
            {"correlation": correlation(usual.expand(FRAMES, -1, -1, -1), pairs)}
        )
    constant, rows["constant"] = best_constant(test, clips)
    report = summary(rows) | {
        "clips": clips, "frames": FRAMES, "constant_columns": constant,
        "affine": {"strength": affine.strength, "convergence": affine.convergence},
        "bars": BARS, "machine": machine(), "revision": revision(),
    }  # fmt: skip
    (results / "deep3d.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    imwrite(results / "deep3d.png", to_bytes(sheet(test, makers, depth, affine)))
    typer.echo(json.dumps(report["claims"], indent=1))


def measure(view: RightView, pairs: StereoPairs) -> dict[str, float]:
    """Differences to the true right views of a clip: of all pixels, inside and outside what the left view hides."""
    assert pairs.occluded is not None
    difference = (view.rgb - pairs.right).abs().mean(-1, keepdim=True) * 255
    hidden = pairs.occluded > 0.5
    values = {
        "difference": float(difference.mean()), "inside": float(difference[hidden].mean()),
        "outside": float(difference[~hidden].mean()), "detail": detail(view.rgb) / detail(pairs.right),
    }  # fmt: skip
    return values if view.shift is None else values | {"correlation": correlation(view.shift, pairs)}


def detail(rgb: Float[Tensor, "B H W 3"]) -> float:
    """Mean difference of neighbouring columns."""
    return float(rgb.diff(dim=2).abs().mean())


def correlation(shift: Float[Tensor, "B H W 1"], pairs: StereoPairs) -> float:
    """Mean over frames of the correlation between shifts and true shifts, on textured pixels."""
    assert pairs.right_shift is not None
    edges = pairs.right.diff(dim=2, prepend=pairs.right[:, :, :1]).abs().mean(-1)
    values = [
        torch.corrcoef(torch.stack([one[mask, 0], true[mask, 0]]))[0, 1]
        for one, true, mask in zip(shift, pairs.right_shift, edges > TEXTURE, strict=True)
    ]
    return float(torch.stack(values).mean())


def affine_map(depth: Stereo, train: StereoClips, step: int = 10) -> Depth3D:
    """The affine map, by least squares, from shifts that a depth network predicts to true ones, on training clips."""
    pairs = train.select(torch.arange(0, len(train), step))
    assert pairs.left_shift is not None
    predicted = torch.cat([depth.estimate(left).values for left in pairs.left.split(20)]).flatten().double()
    truth = (pairs.left_shift / pairs.left.shape[2]).flatten().double()
    slope = float(((predicted - predicted.mean()) * (truth - truth.mean())).mean() / predicted.var(correction=0))
    return Depth3D(slope, float(truth.mean() - slope * predicted.mean()))


def usual_shift(train: StereoClips) -> Float[Tensor, "1 H W 1"]:
    """The mean true shift of each pixel over training clips: what a network knows that does not look at the picture."""
    return train.right_shift.float().mean(0)[None, ..., None]


def true_warp(pairs: StereoPairs) -> RightView:
    """The left views warped by their true shifts."""
    assert pairs.left_shift is not None
    return LeftShifts(pairs.left_shift.permute(0, 3, 1, 2) / pairs.left.shape[2]).right_view(pairs.left, NEUTRAL)


def best_constant(test: StereoClips, clips: int) -> tuple[float, list[dict[str, float]]]:
    """The shift, in quarters of a column, with the least difference over all clips; and each clip's figures with it."""
    width, best = test.left.shape[2], (float("inf"), 0.0, list[dict[str, float]]())
    for columns in np.arange(-2, 4.25, 0.25):
        maker = part("stereo", "constant-disparity", shift=float(columns) / width).build()
        rows = []
        for clip in range(clips):
            pairs = test.select(torch.arange(clip * FRAMES, (clip + 1) * FRAMES))
            view = maker.estimate(pairs.left).right_view(pairs.left, NEUTRAL)
            rows.append(measure(RightView(view.rgb, None), pairs))
        mean = float(np.mean([row["difference"] for row in rows]))
        best = min(best, (mean, float(columns), rows), key=lambda one: one[0])
    return best[1], best[2]


def summary(rows: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """Means with intervals over clips, and the claims as paired comparisons."""
    figures = {
        name: {key: mean_with_interval([row[key] for row in clips]) for key in clips[0]} for name, clips in rows.items()
    }
    differences = {name: [row.get("difference", np.nan) for row in clips] for name, clips in rows.items()}
    ours = differences["deep3d"]
    ratio = [one / other for one, other in zip(ours, differences["constant"], strict=True)]
    others = (
        "constant", "direct regression", "without side branches", "depth, then warp", "true depth, then warp",
        "no shift",
    )  # fmt: skip
    claims = {
        "difference as a fraction of the best constant's": {
            "of means": round(float(np.mean(ours) / np.mean(differences["constant"])), 4),
            "mean over clips": mean_with_interval(ratio),
        },
        "correlation of shifts on textured pixels": figures["deep3d"]["correlation"],
        "correlation of the usual shift of the pixel": figures["usual shift of the pixel"]["correlation"],
        **{f"difference minus that of {name}": paired_difference(ours, differences[name]) for name in others},
    }
    return {"claims": claims, "figures": figures}


def sheet(test: StereoClips, makers: dict[str, Stereo], depth: Stereo, affine: Depth3D) -> np.ndarray:
    """A row for each of some clips: views, what the makers make of them, shifts, an anaglyph."""
    rows = []
    size = (test.left.shape[1], test.left.shape[2])
    for clip in (clip for clip in SHEET if clip * FRAMES < len(test)):
        pairs = test.select(torch.tensor([clip * FRAMES + FRAMES // 2]))
        assert pairs.right_shift is not None
        ours = makers["deep3d"].estimate(pairs.left).right_view(pairs.left, NEUTRAL)
        direct = makers["direct regression"].estimate(pairs.left).right_view(pairs.left, NEUTRAL)
        warped = depth.estimate(pairs.left).right_view(pairs.left, affine)
        assert ours.shift is not None
        columns = (
            pairs.left, pairs.right, ours.rgb, direct.rgb, warped.rgb, grey_shifts(ours.shift, size),
            grey_shifts(pairs.right_shift / size[1], size), anaglyph(pairs.left, ours.rgb),
        )  # fmt: skip
        rows.append([picture[0].numpy() for picture in columns])
    labels = ("left", "true right", "Deep3D", "direct regression", "depth, then warp", "its shifts", "true shifts",
              "anaglyph")  # fmt: skip
    return contact_sheet(rows, column_labels=labels)


if __name__ == "__main__":
    typer.run(main)
