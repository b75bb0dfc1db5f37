"""View-dependent colours: real spherical harmonics up to degree 3."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.kernels.precision import in_float32

HIGHEST_DEGREE = 3

# sqrt((2 l + 1) / (4 pi) ...) of each polynomial below, in the order l = 0, 1, 2, 3.
HARMONIC_0 = math.sqrt(1 / (4 * math.pi))
_Y1 = math.sqrt(3 / (4 * math.pi))
_Y2 = (math.sqrt(15 / (4 * math.pi)), math.sqrt(5 / (16 * math.pi)), math.sqrt(15 / (16 * math.pi)))
_Y3 = (
    math.sqrt(35 / (32 * math.pi)),
    math.sqrt(105 / (4 * math.pi)),
    math.sqrt(21 / (32 * math.pi)),
    math.sqrt(7 / (16 * math.pi)),
    math.sqrt(105 / (16 * math.pi)),
)


@in_float32
def spherical_harmonics(
    directions: Float[Tensor, "n 3"], coefficients: Float[Tensor, "n k channels"], degree: int
) -> Float[Tensor, "n channels"]:
    """Value of a function on the sphere that is given by its spherical harmonics.

        y_i = sum over l <= degree and -l <= m <= l of  Y_lm(d_i / |d_i|)  c_i,(l^2 + l + m)

    with the real, orthonormal Y_lm that carry the sign (-1)^m, as 3DGS files store them. Plain torch on every device;
    differentiable in both, any number of times.

    Args:
        directions: d, from the camera to the Gaussian, of any length > 0; float32 or float64.
        coefficients: c, k >= (degree + 1)^2 of them; those beyond are not used. Of the dtype of the directions.
        degree: 0, 1, 2 or 3; a fit raises it step by step.

    Returns:
        y, not clamped. 3DGS takes max(y + 0.5, 0) as the colour.

    Raises:
        ValueError: a shape, dtype or device does not fit, the degree is not 0 to 3, or coefficients are missing.

    Source: Green 2003, "Spherical harmonic lighting"; Kerbl et al. 2023 (arXiv 2308.04079), sec. 3.

    Example:
        >>> grey = spherical_harmonics(torch.randn(2, 3), torch.full((2, 1, 3), math.sqrt(4 * math.pi)), 0)
        >>> torch.allclose(grey, torch.ones(2, 3))
        True
    """
    _check(directions, coefficients, degree)
    count = (degree + 1) ** 2
    basis = harmonic_basis(torch.nn.functional.normalize(directions, dim=-1), degree)
    return (basis[:, :, None] * coefficients[:, :count]).sum(dim=1)


def harmonic_basis(directions: Float[Tensor, "n 3"], degree: int) -> Float[Tensor, "n k"]:
    """All Y_lm of unit directions, l m = 00, 1-1, 10, 11, 2-2, ..."""
    x, y, z = directions.unbind(-1)
    xx, yy, zz = x * x, y * y, z * z
    columns = [torch.full_like(x, HARMONIC_0)]
    if degree >= 1:
        columns += [-_Y1 * y, _Y1 * z, -_Y1 * x]
    if degree >= 2:
        columns += [
            _Y2[0] * x * y,
            -_Y2[0] * y * z,
            _Y2[1] * (3 * zz - 1),
            -_Y2[0] * x * z,
            _Y2[2] * (xx - yy),
        ]
    if degree >= 3:
        columns += [
            -_Y3[0] * y * (3 * xx - yy),
            _Y3[1] * x * y * z,
            -_Y3[2] * y * (5 * zz - 1),
            _Y3[3] * z * (5 * zz - 3),
            -_Y3[2] * x * (5 * zz - 1),
            _Y3[4] * z * (xx - yy),
            -_Y3[0] * x * (xx - 3 * yy),
        ]
    return torch.stack(columns, dim=-1)


def _check(directions: Tensor, coefficients: Tensor, degree: int) -> None:
    if degree not in range(HIGHEST_DEGREE + 1):
        raise ValueError(f"spherical_harmonics: degree is {degree}; it is 0, 1, 2 or 3")
    if directions.ndim != 2 or directions.shape[1] != 3:
        raise ValueError(f"spherical_harmonics: directions are [n, 3], not {list(directions.shape)}")
    if coefficients.ndim != 3 or len(coefficients) != len(directions) or coefficients.shape[1] < (degree + 1) ** 2:
        expected = f"[{len(directions)}, at least {(degree + 1) ** 2}, channels]"
        raise ValueError(
            f"spherical_harmonics: coefficients of degree {degree} are {expected}, not {list(coefficients.shape)}"
        )
    if directions.dtype != coefficients.dtype or directions.device != coefficients.device:
        pair = f"{directions.dtype} on {directions.device}, coefficients {coefficients.dtype} on {coefficients.device}"
        raise ValueError(f"spherical_harmonics: directions are {pair}; they must agree")
