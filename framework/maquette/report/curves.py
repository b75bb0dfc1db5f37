"""Plots of the values in `metrics.jsonl`, as inline SVG in the page's colours."""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

INK, MUTED = "#010203", "#010204"  # placeholders, replaced by the page's CSS variables
COLORS = ("#3b6fd4", "#d9752b", "#2e9d6a", "#b8478f", "#8a6fd1", "#a58a1f", "#2aa0b5", "#c94f4f")
SMOOTHING = 0.06  # window of the running mean, as a fraction of the curve
MAX_OTHER_CHARTS = 6  # largest number of charts of other values


@dataclass(frozen=True, eq=False)
class Curve:
    """One logged value.

    Args:
        name: its key.
        steps: [N], numbered consecutively over the stages of the run.
        values: [N], finite.
    """

    name: str
    steps: np.ndarray
    values: np.ndarray


@dataclass(frozen=True)
class Metrics:
    """The metrics of a run: curves, first step of each stage, and the number of unreadable lines."""

    curves: dict[str, Curve] = field(default_factory=dict)
    stages: dict[str, int] = field(default_factory=dict)
    unread: int = 0

    @property
    def last_step(self) -> int:
        """The last logged step, numbered over all stages; 0 without any."""
        return max((int(curve.steps[-1]) for curve in self.curves.values()), default=0)


@dataclass(frozen=True)
class Chart:
    """A titled SVG."""

    title: str
    svg: str


def read_metrics(path: Path) -> Metrics:
    """Read the curves of a `metrics.jsonl`; skips truncated lines and non-finite values."""
    rows: dict[str, list[tuple[int, float]]] = {}
    stages: dict[str, int] = {}
    unread = latest = 0
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
            stage, step = str(row.pop("stage", "")), int(row.pop("step"))
        except (ValueError, AttributeError, KeyError, TypeError):
            unread += bool(line.strip())
            continue
        if stage not in stages:
            stages[stage] = latest
        latest = max(latest, stages[stage] + step)
        for name, value in row.items():
            if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
                rows.setdefault(name, []).append((stages[stage] + step, float(value)))
    curves = {name: Curve(name, *np.array(sorted(pairs)).T) for name, pairs in rows.items()}
    return Metrics(curves, stages, unread)


def charts(metrics: Metrics) -> list[Chart]:
    """Charts of loss, loss terms, timestep, gradient norm, learning rate, seconds per step, and some other values."""
    remaining = dict(metrics.curves)

    def take(pattern: str) -> list[Curve]:
        return [remaining.pop(name) for name in list(remaining) if re.fullmatch(pattern, name)]

    groups = [
        ("Loss", take(r"loss"), False),
        ("Loss terms", take(r"loss/.*"), False),
        ("Timestep t", take(r"(.*/)?(t|timestep)"), False),
        ("Gradient norm", take(r"(.*/)?(grad|gradient)_norm"), True),
        ("Learning rate", take(r"lr(/.*)?|learning_rate"), False),
        ("Seconds per step", take(r"step_seconds"), False),
    ]
    groups += [(name, [curve], False) for name, curve in list(remaining.items())[:MAX_OTHER_CHARTS]]
    return [Chart(title, plot(curves, metrics.stages, logarithmic=log)) for title, curves, log in groups if curves]


def plot(curves: Sequence[Curve], stages: dict[str, int], logarithmic: bool = False) -> str:
    """Plot curves as an SVG element: logged values thin, their running mean bold.

    Args:
        curves: plotted in one chart, with a legend for several.
        stages: name -> first step; dashed lines separate them.
        logarithmic: logarithmic scale, if all values are positive.
    """
    import matplotlib
    from matplotlib.figure import Figure

    name = "|".join(curve.name for curve in curves)
    style: Any = {"svg.fonttype": "none", "svg.hashsalt": name, "font.family": "sans-serif", "font.size": 9.5}
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(5.4, 2.7), layout="constrained")
        axes = figure.add_subplot()
        for curve, color in zip(curves, COLORS * (len(curves) // len(COLORS) + 1), strict=False):
            short = curve.name.removeprefix("loss/")
            marker = "o" if len(curve.steps) < 12 else ""
            window = max(1, round(SMOOTHING * len(curve.values)))
            starts = np.searchsorted(curve.steps, list(stages.values())[1:])
            pieces = zip(np.split(curve.steps, starts), np.split(curve.values, starts), strict=True)
            for steps, values in (piece for piece in pieces if len(piece[0])):
                if window > 1:
                    axes.plot(steps, values, color=color, alpha=0.28, linewidth=0.8)
                mean = _running_mean(values, window)
                axes.plot(steps, mean, color=color, linewidth=1.7, label=short, marker=marker, markersize=3)
                short = "_nolegend_"
        for stage, start in list(stages.items())[1:]:
            axes.axvline(start, color=MUTED, linewidth=0.8, linestyle=(0, (3, 3)))
            axes.annotate(stage, (start, 1), (4, -10), xycoords=("data", "axes fraction"), textcoords="offset points",
                          color=MUTED, fontsize=8, parse_math=False)  # fmt: skip
        if logarithmic and all((curve.values > 0).all() for curve in curves):
            axes.set_yscale("log")
        _dress(axes, legend=len(curves) > 1)
        page = io.StringIO()
        empty = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(page, format="svg", transparent=True, metadata=empty)
    return _inline(page.getvalue())


def _dress(axes: Any, legend: bool) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(MUTED)
        axes.spines[side].set_linewidth(0.6)
    axes.tick_params(which="both", colors=MUTED, labelcolor=INK, width=0.6, length=3)
    axes.grid(True, color=MUTED, alpha=0.22, linewidth=0.6)
    axes.set_xlabel("step", color=MUTED)
    axes.margins(x=0.01)
    if legend:
        box = axes.legend(frameon=False, labelcolor=INK, fontsize=8.5, ncols=2, loc="best")
        for text in box.get_texts():
            text.set_parse_math(False)


def _running_mean(values: np.ndarray, window: int) -> np.ndarray:
    """Centred running mean [N]; the window shrinks towards both ends."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    index = np.arange(len(values))
    half = np.minimum(window // 2, np.minimum(index, len(values) - 1 - index))
    return (sums[index + half + 1] - sums[index - half]) / (2 * half + 1)


def _inline(svg: str) -> str:
    opening, rest = svg[svg.index("<svg") :].split(">", 1)
    opening = re.sub(r' (?:width|height|version)="[^"]*"', "", opening)  # the page sets the size
    svg = f"{opening}>{rest}"
    for stand_in, variable in ((INK, "--ink"), (MUTED, "--muted")):
        svg = svg.replace(stand_in, f"var({variable})")
    return svg
