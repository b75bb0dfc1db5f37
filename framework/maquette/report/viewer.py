"""Interactive 3D view of a `.glb` inside the report: <model-viewer>, packed into the page, over a picture of the mesh.

The page needs no network and no file beside it. The library has 1,069 KB; packed it adds 385 KB to a page, and the
browser unpacks it. Where that fails, or WebGL is missing, the picture stays.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from maquette.errors import ConfigError
from maquette.report.embedding import packed

LIBRARY = Path(__file__).parent / "model_viewer" / "model-viewer.min.js"
AZIMUTH_DEG, ELEVATION_DEG, FOV_DEG = 0.0, 15.0, 30.0  # first camera: the front, slightly from above
POSTER_PX = 640  # side of the picture that stands in before WebGL starts


@dataclass(frozen=True)
class ModelView:
    """What the page's 3D pane is made of.

    Args:
        model: the `.glb` as a data URL.
        poster: the mesh from the first camera, with alpha, as a data URL.
        script: model-viewer's module, gzipped, in base64.
        orbit: the first camera, as model-viewer's attribute has it: azimuth, angle from the zenith, distance.
        fov: its vertical angle of view.
    """

    model: str
    poster: str
    script: str
    orbit: str = f"{AZIMUTH_DEG:g}deg {90 - ELEVATION_DEG:g}deg 100%"
    fov: str = f"{FOV_DEG:g}deg"


def model_view(glb: Path) -> ModelView:
    """The 3D pane of a mesh, upright and from its front.

    Args:
        glb: a file in glTF's axes (y up, front along +z).

    Raises:
        ValueError: the file cannot be read, or holds no surface.
    """
    content = base64.b64encode(glb.read_bytes()).decode()
    return ModelView(f"data:model/gltf-binary;base64,{content}", mesh_picture(glb), packed_library())


def mesh_picture(glb: Path) -> str:
    """The mesh from the first camera, with alpha and unlit, as the data URL of a WebP file; errors as `model_view`."""
    from PIL import Image

    from maquette.export.drawing import MeshDrawing
    from maquette.meshes.placement import Placement
    from maquette.meshes.reading import inspect_mesh
    from maquette.scene import Viewpoint

    try:
        mesh = inspect_mesh(glb, Placement()).value
    except ConfigError as problem:
        raise ValueError(problem.message) from problem
    drawing = MeshDrawing(mesh, Viewpoint(fov_y_deg=FOV_DEG))
    rgba = drawing.render([AZIMUTH_DEG], ELEVATION_DEG, POSTER_PX).picture.rgba[0].numpy()
    stream = io.BytesIO()
    Image.fromarray((np.clip(rgba, 0, 1) * 255 + 0.5).astype(np.uint8), "RGBA").save(stream, "WEBP", quality=85)
    return f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode()}"


@cache
def packed_library() -> str:
    """model-viewer's module, gzipped, in base64; without its last line, by which browsers look for a map of sources."""
    module = LIBRARY.read_bytes().rsplit(b"//# sourceMappingURL", 1)[0]
    return packed(module)
