"""Sets of posed pictures as NeRF-synthetic's and nerfstudio's tools write them."""

from __future__ import annotations

import json
import math
from pathlib import Path

from balls import POINTS, draw, orbit

from maquette.data.formats import PosedImages, inspect_posed_images
from maquette.loaded import Loaded

TURNS = (10, 100, 190, 280)
FIELD = 1.5 * POINTS  # NeRF-synthetic's objects reach to 1.5


def write_synthetic(folder: Path, splits: tuple[str, ...] = ("train", "val", "test"), width: int = 96) -> None:
    """A NeRF-synthetic scene, four pictures of 96 x 64 to a split, paths without suffix."""
    for split in splits:
        frames = []
        for i, turn in enumerate(TURNS):
            c2w = orbit(turn + 7 * len(split), 30, 4.03)
            draw(folder / split / f"r_{i}.png", c2w, (110.0, 110.0), (width, 64), points=FIELD)
            frames.append({"file_path": f"./{split}/r_{i}", "rotation": 0.01, "transform_matrix": c2w.tolist()})
        data = {"camera_angle_x": 2 * math.atan(width / 2 / 110), "frames": frames}
        (folder / f"transforms_{split}.json").write_text(json.dumps(data))


LENS = {"fl_x": 100.0, "fl_y": 110.0, "cx": 45.0, "cy": 35.5, "w": 96, "h": 64, "k1": 0.0, "camera_model": "OPENCV"}


def write_captured(folder: Path, lens: dict | None = None, turns: int = 9, **more: object) -> None:
    """A capture by nerfstudio's tools: opaque, with oblong pixels and an off-centre lens, in a shifted world."""
    lens = {**LENS, **(lens or {})}
    frames = []
    for i in range(turns):
        c2w = orbit(20 + 360 / turns * i, 25, 2.0)
        c2w[:3, 3] += (3.0, -1.0, 0.5)
        place = folder / "images" / f"frame_{i:05}.jpg.png"
        draw(place, c2w, (lens["fl_x"], lens["fl_y"]), (96, 64), (lens["cx"], lens["cy"]), SHIFTED, mode="RGB")
        frames.append({"file_path": f"images/{place.name}", "transform_matrix": c2w.tolist()})
    (folder / "transforms.json").write_text(json.dumps({**lens, **more, "frames": frames}))


SHIFTED = 0.6 * POINTS + (3.0, -1.0, 0.5)


def rewrite(folder: Path, change) -> Loaded[PosedImages]:
    """The account of a set whose file is changed."""
    data = json.loads((folder / "transforms.json").read_text())
    (folder / "transforms.json").write_text(json.dumps(change(data) or data))
    return inspect_posed_images(folder)
