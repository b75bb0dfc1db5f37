"""What each method costs, in steps and predictions of its priors: `python docs/method_costs.py docs/methods`.

The tables stand in the pages of the methods, between the lines `<!-- cost of NAME -->` and `<!-- end -->`. They come
from the configuration alone.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

from maquette.config.loading import load_method
from maquette.config.parts import PartSpec
from maquette.config.schedules import Schedule

PUBLISHED = {
    "deep3d": "", "dreamfusion": "sd15", "dreamgaussian": "sd21", "dreamgaussian-image": "zero123-xl",
    "fantasia3d": "sd15", "hifa": "sd21", "instant": "mvdream", "instant-image": "zero123-xl",
    "instant-polish": "mvdream", "instructnerf2nerf": "instruct-pix2pix", "latent-nerf": "sd15", "magic123": "sd15",
    "magic3d": "sd15", "mvdream": "mvdream", "one2345": "zero123-xl", "perp-neg": "sd15",
    "prolificdreamer": "sd21", "sjc": "sd15", "textmesh": "deepfloyd-if", "zero123": "zero123-xl",
    "scenedreamer": "", "zero123-sjc": "zero123-xl", "fit-multiview": "",
}  # fmt: skip
"""Method -> the published prior that stands in the second column; "": it has no prior."""
SMALL = {"instructnerf2nerf": ["prior=nano"]}
"""Method -> words that choose the small prior, where it is not the default."""
MARKED = re.compile(r"<!-- cost of ([\w-]+) -->\n.*?<!-- end -->", re.DOTALL)


def write_tables(folder: Path) -> None:
    """Write the tables of all pages anew."""
    for page in sorted(folder.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        new = with_tables(text)
        if new != text:
            page.write_text(new, encoding="utf-8")


def with_tables(text: str) -> str:
    """A page with its tables made anew."""
    return MARKED.sub(lambda match: f"<!-- cost of {match[1]} -->\n{cost_table(match[1])}\n<!-- end -->", text)


def cost_table(method: str) -> str:
    """The stages of a method that compute, with the small priors and with a published one."""
    prior = PUBLISHED[method]
    columns = [_costs(method, SMALL.get(method, []))] + ([_costs(method, [f"prior={prior}"])] if prior else [])
    head = ["stage", "small priors" if prior else "cost", *([f"`prior={prior}`"] if prior else [])]
    names = list(dict.fromkeys(name for column in columns for name in column))
    rows = [[f"`{name}`", *(column.get(name, "") for column in columns)] for name in names]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def _costs(method: str, words: list[str]) -> dict[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "mug.png"
        Image.new("RGBA", (8, 8)).save(picture)
        stand_ins = {"prompt": "a mug", "image": str(picture), "data": folder}
        stages = load_method(method, words, stand_ins=stand_ins).method.stages
    return {name: cost for name, spec in stages.items() if (cost := _cost(spec))}


def _cost(spec: PartSpec) -> str:
    c = spec.config
    if spec.name == "sample":
        views = len(c.views(0))
        return f"{c.sampling.steps} steps of {_many(views, 'view')}, {_predictions(c.score)} each"
    if spec.name == "optimise":
        view = _views(c.cameras.config) if c.cameras is not None else _known(c.data.config)
        guidance = [_guided(name, one) for name, one in c.guidance.items()]
        return ", ".join([f"{c.steps:,} steps of {view}", *guidance])
    if spec.name == "train":
        return f"{c.steps:,} steps of training"
    if spec.name == "stereo":
        return f"one evaluation of `{c.stereo.name}` for each crop of each frame"
    if spec.name == "flight":
        (rows, columns), frames = c.size, c.flight.frames
        more = f"{_many(c.stills + c.styles, 'picture')} more, a texture"
        return f"{_many(frames, 'frame')} of {columns} × {rows} pixels, {more}"
    return f"{c.steps:,} steps" if hasattr(c, "steps") else ""


def _known(data: Any) -> str:
    """The pictures that are known of an object, of which a step sees so many; 0: all."""
    batch = getattr(data, "batch", 1)
    return f"{_many(batch, 'known picture')}" if batch else "all known pictures"


def _guided(name: str, guidance: Any) -> str:
    objective, count = guidance.objective.config, _predictions(guidance.score)
    if hasattr(objective, "every"):
        return f"every {objective.every} steps one edit of {objective.steps} × {count}"
    return f"{count} of `{guidance.prior.name}`"


def _views(cameras: Any) -> str:
    size = cameras.size
    if isinstance(size, Schedule):
        values = sorted({int(value) for _, value in size.points})
        size = f"{values[0]}" if len(values) == 1 else f"{values[0]} to {values[-1]}"
    count = getattr(cameras, "batch", 1) * getattr(cameras, "views", 1)
    return f"{_many(count, 'view')} at {size} px"


def _predictions(score: PartSpec) -> str:
    return _many(len(score.capabilities.conditions), "prediction")


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


if __name__ == "__main__":
    write_tables(Path(sys.argv[1]))
