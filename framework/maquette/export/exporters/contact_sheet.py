"""Export of a contact sheet: colour, normals, depth and opacity from several sides."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from maquette.annotations import ElevationDeg, Pixels
from maquette.errors import RunError
from maquette.export.base import Exporter, Subject
from maquette.export.meshed import Of, note_picture, picture_source
from maquette.files import atomic_path
from maquette.images.picture import Picture
from maquette.images.pixels import to_bytes
from maquette.images.sheets import contact_sheet
from maquette.registry import register
from maquette.scene import RenderedViews

SIDES = {0.0: "front", 90.0: "left", 180.0: "back", 270.0: "right"}  # azimuth -> visible side of the subject


@register("exporter", "contact-sheet")
class ContactSheetExporter(Exporter):
    """A contact sheet `sheet.png`: a row per kind of picture, a column per view; kinds without data are omitted."""

    @dataclass(frozen=True)
    class Config:
        azimuths_deg: tuple[float, ...] = (0.0, 90.0, 180.0, 270.0)  # of the views; 0 is the front
        elevation_deg: ElevationDeg = 15.0  # height of the camera above the horizon
        size: Pixels = 192  # side of each picture in pixels
        of: Of = (
            "auto"  # what is shown: the exported mesh, or the scene by its renderer; auto: Gaussians, else the mesh
        )
        rows: tuple[Literal["rgb", "normal", "depth", "opacity"], ...] = ("rgb", "normal", "depth")  # kinds of picture

        def __post_init__(self) -> None:
            if not self.azimuths_deg or not self.rows:
                raise ValueError("azimuths_deg and rows must name at least one each")

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(self, subject: Subject, folder: Path) -> list[Path]:
        """Render, lay out and write; see `Exporter`."""
        config = self.config
        source, shows = picture_source(subject, config.of)
        views = source.render(list(config.azimuths_deg), config.elevation_deg, config.size)
        grey = views.picture.alpha.expand_as(views.rgb)
        kinds = {"rgb": views.rgb, "normal": _normals(views), "depth": _depths(views), "opacity": grey}
        chosen = {name: kinds[name] for name in config.rows}
        available = {name: list(pictures.numpy()) for name, pictures in chosen.items() if pictures is not None}
        if not available:
            raise RunError(f"rows: {', '.join(config.rows)}: what is shown has none of them")
        columns = [f"{SIDES.get(a % 360, '')} {a % 360:g}°".strip() for a in config.azimuths_deg]
        sheet = contact_sheet(list(available.values()), list(available), columns)
        path = folder / "sheet.png"
        with atomic_path(path) as place:
            Image.fromarray(to_bytes(sheet)).save(place)
        note_picture(folder, [path.name], shows)
        return [path]


def _normals(views: RenderedViews) -> Tensor | None:
    return None if views.normal is None else Picture((views.normal + 1) / 2, views.picture.alpha).over(1.0)


def _depths(views: RenderedViews) -> Tensor | None:
    """Depth as colours, near is bright; one scale for all views, from pixels that are at least half opaque."""
    if views.depth is None:
        return None
    import matplotlib

    depth = views.depth.numpy()
    object_depth = depth[(views.picture.alpha.numpy() > 0.5) & np.isfinite(depth)]
    near, far = (np.percentile(object_depth, 1), np.percentile(object_depth, 99)) if object_depth.size else (0.0, 1.0)
    nearness = np.clip((far - np.nan_to_num(depth[..., 0], posinf=far)) / max(far - near, 1e-6), 0, 1)
    colors = torch.from_numpy(matplotlib.colormaps["viridis"](nearness)[..., :3]).float()
    return Picture(colors, views.picture.alpha).over(1.0)
