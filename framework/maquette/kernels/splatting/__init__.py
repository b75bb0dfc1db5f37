"""Gaussian splatting: a cloud of anisotropic Gaussians -> their footprints on a picture -> the picture.

A picture is three calls: `project` gives the footprints, `spherical_harmonics` the colours seen from the camera,
`splat` composites. `ScreenStatistics` gathers over many pictures what decides where a cloud grows and is thinned.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.kernels.backends import implementation
from maquette.kernels.precision import in_float32
from maquette.kernels.splatting.disks import project_disks
from maquette.kernels.splatting.harmonics import HARMONIC_0, spherical_harmonics
from maquette.kernels.splatting.results import LEAST_ALPHA, Projected, Splatted
from maquette.kernels.splatting.statistics import ScreenStatistics

__all__ = ["HARMONIC_0", "Projected", "ScreenStatistics", "Splatted", "project", "spherical_harmonics", "splat"]


@in_float32
def project(
    means: Float[Tensor, "n 3"],
    quaternions: Float[Tensor, "n 4"],
    scales: Float[Tensor, "n 3"],
    c2w: Float[Tensor, "4 4"],
    focal: float,
    height: int,
    width: int,
    *,
    near: float = 0.01,
    mode: str = "3d",
    backend: str = "auto",
) -> Projected:
    """Footprints of Gaussians on the picture of a perspective camera.

    A Gaussian has the mean m and the covariance R S S^T R^T with R the rotation of its quaternion and S = diag(s). With
    (x, y, z) = W (m - o) its mean in camera axes right, down, forward, its footprint is the Gaussian

        (u, v) = f (x, y) / z + (width, height) / 2        C = J W R S S^T R^T W^T J^T + 0.3 I
        J = f / z  [1  0  -x/z]
                   [0  1  -y/z]

    J is the slope of the projection at the mean, with x/z and y/z held within 1.3 half fields of view there: the affine
    approximation of EWA splatting. The 0.3 px^2 widen a Gaussian smaller than a pixel so that it is not missed; to keep
    its brightness as well, multiply its opacity by `compensation`, sqrt(det(C - 0.3 I) / det C).

    With mode "2d" each is a flat disk: the first two columns of R S span it, the third scale is not used, and its
    normal is the third column of R, turned to the camera. Nothing is linearised: its value at a pixel is that at the
    point where the ray of the pixel meets its plane, at the depth of that point.

    Differentiable in means, quaternions and scales through means, depths, conics and compensation; a second time only
    with the reference backend. What is not visible gets zeros as its gradient.

    Args:
        means: m, in scene units; float32, or float64 with the reference alone.
        quaternions: (w, x, y, z) of any length; zero means no rotation.
        scales: s > 0, standard deviations along the Gaussian's axes in scene units.
        c2w: camera-to-world matrix, rigid; camera axes are OpenGL's: x right, y up, z backward.
        focal: f > 0 in pixels, 0.5 height / tan(fov_y / 2); the principal point is the middle of the picture.
        height: rows; the centre of row i lies at v = i + 0.5, row 0 on top.
        width: columns; the centre of column j lies at u = j + 0.5.
        near: Gaussians whose mean is not farther than this from the camera's plane are invisible; > 0, in scene units.
        mode: "3d", or "2d" for disks, which are projected by plain torch with every backend.
        backend: "auto", "numba", "triton", "gsplat" or "reference". "auto" takes the reference for float64.

    Returns:
        The footprints, in the order of the Gaussians.

    Raises:
        ValueError: a shape, dtype or device does not fit, a size, focal or near is not positive, c2w is not rigid,
            the mode is another, or float64 is asked of another backend than the reference.

    Source: Kerbl et al. 2023 (arXiv 2308.04079), sec. 4 and app. A; Zwicker et al. 2001, "EWA volume splatting", eqs.
    23 to 31; the compensation: Yu et al. 2024 (Mip-Splatting, arXiv 2311.16493), sec. 5.2 on the 2D Mip filter;
    disks: Huang et al. 2024 (2DGS, arXiv 2403.17888), sec. 4.

    Example:
        >>> c2w = torch.eye(4)
        >>> c2w[2, 3] = 4.0
        >>> one = project(torch.zeros(1, 3), torch.tensor([[1.0, 0, 0, 0]]), torch.full((1, 3), 0.1), c2w, 40.0, 32, 32)
        >>> one.means, one.depths, one.radii
        (tensor([[16., 16.]]), tensor([4.]), tensor([4.]))
    """
    _check_gaussians(means, quaternions, scales)
    _check_camera(c2w, means, focal, height, width, near)
    if mode not in ("2d", "3d"):
        raise ValueError(f"project: mode is {mode!r}; it is '3d' or '2d'")
    rotation = (c2w[:3, :3] * c2w.new_tensor([1.0, -1.0, -1.0])).T.detach()
    module = implementation("splatting", _backend(backend, means), means.device.type)
    project_mode = project_disks if mode == "2d" else module.project
    return project_mode(means, quaternions, scales, rotation, c2w[:3, 3].detach(), focal, height, width, near)


@in_float32
def splat(
    projected: Projected,
    opacities: Float[Tensor, " n"],
    values: Float[Tensor, "n channels"],
    *,
    backend: str = "auto",
) -> Splatted:
    """Composite footprints front to back.

    At a pixel with centre x, the visible Gaussians in the order of depth, equals in the order of index, have

        alpha_i = min(0.99, o_i exp(-1/2 (x - u_i)^T C_i^-1 (x - u_i)))        alpha_i < 1/255 counts as 0
        w_i = alpha_i T_i        T_i = product over k < i of (1 - alpha_k)

    and the pixel ends before the first Gaussian that would leave T < 1e-4. Values are sums of w v; colours, normals and
    whatever else a Gaussian carries are channels of v. For disks the exponent is -1/2 min(a^2 + b^2, 2 |x - u_i|^2)
    with (a, b) the place on the disk, in standard deviations, that the pixel's ray meets; the second is a low-pass.

    Differentiable in the means, conics, transforms and depths of `projected`, in opacities and values; a second time
    only with the reference backend. With numba the picture and all gradients have the same bits on every run and with
    any number of threads.

    Args:
        projected: footprints, as `project` gives them.
        opacities: o in [0, 1]; for Mip-Splatting's filter, times `projected.compensation`.
        values: v, of any number of channels, 0 included; of the dtype and on the device of the opacities.
        backend: "auto", "numba", "triton", "gsplat" or "reference". "auto" takes the reference for float64.

    Returns:
        The picture, over nothing: the background is the caller's, times 1 - opacity.

    Raises:
        ValueError: a shape, dtype or device does not fit, an opacity lies outside [0, 1], or float64 is asked of
            another backend than the reference.

    Source: Kerbl et al. 2023 (arXiv 2308.04079), eqs. 2 and 3, sec. 6 and app. C; disks: Huang et al. 2024 (2DGS, arXiv
    2403.17888), eqs. 8 to 11.

    Example:
        >>> c2w = torch.eye(4)
        >>> c2w[2, 3] = 4.0
        >>> m, q, s = torch.zeros(1, 3), torch.tensor([[1.0, 0, 0, 0]]), torch.full((1, 3), 0.1)
        >>> picture = splat(project(m, q, s, c2w, 40.0, 9, 9), torch.tensor([0.5]), torch.ones(1, 3))
        >>> picture.values[4, 4], picture.depth[4, 4], picture.opacity[0, 0]
        (tensor([0.5000, 0.5000, 0.5000]), tensor(4.), tensor(0.))
    """
    _check_splat(projected, opacities, values)
    module = implementation("splatting", _backend(backend, values), values.device.type)
    features = torch.cat([values, projected.depths[:, None]], dim=-1)
    image, opacity = module.composite(projected, opacities, features)
    # Where anything is drawn the opacity is at least LEAST_ALPHA, so that this clamp changes nothing but 0 / 0.
    depth = image[..., -1] / opacity.clamp(min=LEAST_ALPHA / 2)
    return Splatted(image[..., :-1], opacity, depth)


def _backend(backend: str, tensor: Tensor) -> str:
    if tensor.dtype == torch.float32:
        return backend
    if backend not in ("auto", "reference"):
        raise ValueError(f"splatting: the {backend} backend takes float32; for float64 name the reference backend")
    return "reference"


def _check_gaussians(means: Tensor, quaternions: Tensor, scales: Tensor) -> None:
    if means.ndim != 2 or means.shape[1] != 3 or quaternions.shape != (len(means), 4) or scales.shape != means.shape:
        shapes = ", ".join(str(list(tensor.shape)) for tensor in (means, quaternions, scales))
        raise ValueError(f"project: means [n, 3], quaternions [n, 4] and scales [n, 3] are needed, not {shapes}")
    if means.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"project: means are float32 or float64, not {means.dtype}")
    for name, tensor in (("quaternions", quaternions), ("scales", scales)):
        _check_like("project", name, tensor, "means", means)


def _check_camera(c2w: Tensor, means: Tensor, focal: float, height: int, width: int, near: float) -> None:
    if c2w.shape != (4, 4):
        raise ValueError(f"project: c2w is [4, 4], not {list(c2w.shape)}; cameras are projected one at a time")
    _check_like("project", "c2w", c2w, "means", means)
    for name, number in (("focal", focal), ("height", height), ("width", width), ("near", near)):
        if not (number > 0 and math.isfinite(number)):
            raise ValueError(f"project: {name} is {number}; it is positive and finite")
    if not c2w.is_cuda and not _rigid(c2w.detach()):  # the check would make a GPU wait
        raise ValueError("project: the rotation in c2w must have orthonormal columns and determinant 1")


def _check_splat(projected: Projected, opacities: Tensor, values: Tensor) -> None:
    if opacities.shape != (len(projected),) or values.ndim != 2 or len(values) != len(projected):
        n, shapes = len(projected), f"{list(opacities.shape)} and {list(values.shape)}"
        raise ValueError(f"splat: opacities [{n}] and values [{n}, channels] are needed, not {shapes}")
    for name, tensor in (("opacities", opacities), ("values", values)):
        _check_like("splat", name, tensor, "footprints", projected.means)
    if not opacities.is_cuda and len(opacities) and not bool(((opacities >= 0) & (opacities <= 1)).all()):
        raise ValueError("splat: opacities lie between 0 and 1; has the sigmoid been left out?")


def _check_like(function: str, name: str, tensor: Tensor, other_name: str, other: Tensor) -> None:
    if tensor.dtype != other.dtype or tensor.device != other.device:
        actual, expected = f"{tensor.dtype} on {tensor.device}", f"{other.dtype} on {other.device}"
        raise ValueError(f"{function}: {name} is {actual}, {other_name} are {expected}")


def _rigid(c2w: Tensor) -> bool:
    rotation = c2w[:3, :3].double()
    eye = torch.eye(3, dtype=torch.float64)
    return bool((rotation.T @ rotation - eye).abs().max() < 1e-3 and torch.linalg.det(rotation) > 0)
