"""Normals of a known surface integrate to its depth, whatever the perspective."""

import numpy as np

from maquette.generators._integration import integrate_normals

SIZE, FOCAL = 32, 45.0


def rays() -> np.ndarray:
    x = (np.arange(SIZE) + 0.5 - SIZE / 2) / FOCAL
    return np.stack([*np.meshgrid(x, -x), -np.ones((SIZE, SIZE))], axis=-1)


def test_a_tilted_plane_is_recovered_from_a_noisy_anchor():
    normal = np.array([0.3, -0.4, 0.866])
    depth = -3 * normal[2] / (rays() @ normal)  # n . (Z r) = -3 n_z
    anchor = depth * (1 + 0.03 * np.random.default_rng(0).standard_normal(depth.shape))
    everywhere = np.ones((SIZE, SIZE), bool)
    result = integrate_normals(np.broadcast_to(normal, (SIZE, SIZE, 3)), rays(), everywhere, anchor)
    error = result - depth  # with a mean of its own: depth comes no nearer than the anchor
    assert np.abs(error - error.mean()).mean() < 0.3 * np.abs(anchor - depth).mean()


def test_a_ball_bulges_by_its_radius():
    direction = rays() / np.linalg.norm(rays(), axis=-1, keepdims=True)
    along = -direction[..., 2] * 3
    discriminant = 0.8**2 - (9 - along**2)
    mask = discriminant > 0.05
    hit = direction * (along - np.sqrt(discriminant.clip(0)))[..., None]
    normals = (hit - np.array([0, 0, -3])) / 0.8
    depth = np.where(mask, -hit[..., 2], 2.0)
    result = integrate_normals(normals, rays(), mask, np.where(mask, depth[mask].mean(), 2.0))
    error = (result - depth)[mask]
    assert np.abs(error - error.mean()).mean() < 0.02 < np.ptp(depth[mask])


def test_outside_the_mask_the_anchor_stays():
    mask = np.zeros((SIZE, SIZE), bool)
    mask[8:16, 8:16] = True
    result = integrate_normals(np.broadcast_to([0.0, 0, 1], (SIZE, SIZE, 3)), rays(), mask, np.full((SIZE, SIZE), 3.0))
    assert (result[~mask] == 3).all() and np.abs(result[mask] - 3).max() < 0.05
