"""Gaussians with baked sRGB colours, as splat files store them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maquette.kernels.splatting import HARMONIC_0


@dataclass(frozen=True, eq=False)
class SplatCloud:
    """n Gaussians with sRGB colours, in world axes.

    Args:
        means: [n, 3] in scene units.
        quaternions: (w, x, y, z) of length 1 [n, 4].
        scales: standard deviations in scene units [n, 3].
        opacities: [n] in (0, 1).
        harmonics: spherical harmonics of sRGB colour - 0.5, by the direction from the camera to the Gaussian
            [n, (degree + 1)^2, 3].
    """

    means: np.ndarray
    quaternions: np.ndarray
    scales: np.ndarray
    opacities: np.ndarray
    harmonics: np.ndarray

    def __len__(self) -> int:
        return len(self.means)

    @property
    def base_color(self) -> np.ndarray:
        """sRGB [n, 3] in [0, 1], the mean over all directions."""
        return np.clip(0.5 + HARMONIC_0 * self.harmonics[:, 0], 0, 1)
