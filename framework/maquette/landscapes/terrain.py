"""A landscape as a triangle mesh: what is seen of it from above, with a texture that lies over it like a map."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.ndimage import maximum_filter

from maquette.landscapes.flight import obstacle_height
from maquette.landscapes.world import Landscape
from maquette.meshes.mesh import Mesh


def terrain(scene: Landscape, step: int = 1, texture: Float[np.ndarray, "h w 3"] | None = None) -> Mesh:
    """The surface of a landscape seen from above: ground, water over what lies lower, and the crowns of trees.

    The window is centred at the origin and one scene unit has as many cells as half its side; z is up, and triangles
    face up. Along u lies x, along v lies y, from 0 to 1 over the window.

    Args:
        scene: the landscape.
        step: cells between vertices; each is as high as the highest cell that is nearer to it than to others.
        texture: the window from above, as `LandscapeRenderer.from_above` gives it.
    """
    i, j = (np.unique(np.append(np.arange(0, size, step), size - 1)) for size in scene.size)
    cells = np.stack(np.meshgrid(i, j, indexing="ij"), axis=-1).reshape(-1, 2)
    height = maximum_filter(obstacle_height(scene), 2 * (step // 2) + 1)[cells[:, 0], cells[:, 1]]
    last = np.array(scene.size) - 1
    half = last.max() / 2
    vertices = np.concatenate([(cells - last / 2) / half, height[:, None] / half], axis=1)
    number = np.arange(len(cells)).reshape(len(i), len(j))
    a, b, c, d = (part.ravel() for part in (number[:-1, :-1], number[1:, :-1], number[1:, 1:], number[:-1, 1:]))
    faces = np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])
    return Mesh(vertices, faces, uv=cells / last, texture=texture)
