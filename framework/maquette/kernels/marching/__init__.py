"""Ray marching: where along each ray a field is worth asking."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from maquette.kernels.backends import implementation
from maquette.kernels.marching.samples import RaySamples
from maquette.kernels.precision import in_float32

__all__ = ["RaySamples", "level_boxes", "march_rays", "ray_box"]

_MOST_STEPS = 2**22  # cuts are counted in float32


def ray_box(
    origins: Float[Tensor, "rays 3"], directions: Float[Tensor, "rays 3"], aabb: Float[Tensor, "2 3"]
) -> tuple[Float[Tensor, " rays"], Float[Tensor, " rays"]]:
    """Where rays o + t d, t >= 0, enter and leave a box, by the intersection of its three slabs.

    Args:
        origins: o.
        directions: d, of any length; t counts in its units. A zero component is a ray parallel to that slab.
        aabb: lower corner, upper corner.

    Returns:
        near and far, 0 <= near <= far; both 0 for a ray that misses the box.

    Source: Kay and Kajiya 1986, "Ray tracing complex scenes", sec. 3.

    Example:
        >>> box = torch.tensor([[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]])
        >>> ray_box(torch.tensor([[-3.0, 0.0, 0.0]]), torch.tensor([[1.0, 0.0, 0.0]]), box)
        (tensor([2.]), tensor([4.]))
    """
    low, high = aabb[0] - origins, aabb[1] - origins
    parallel = directions == 0
    slope = torch.where(parallel, torch.ones_like(directions), directions)
    entry, leave = torch.minimum(low / slope, high / slope), torch.maximum(low / slope, high / slope)
    within = (low <= 0) & (high >= 0)
    endless = torch.full_like(entry, torch.inf)
    entry = torch.where(parallel, torch.where(within, -endless, endless), entry)
    leave = torch.where(parallel, torch.where(within, endless, -endless), leave)
    near, far = entry.amax(dim=-1).clamp(min=0.0), leave.amin(dim=-1)
    hit = (near < far) & far.isfinite()
    return torch.where(hit, near, 0.0), torch.where(hit, far, 0.0)


@torch.no_grad()
@in_float32
def march_rays(
    origins: Float[Tensor, "rays 3"],
    directions: Float[Tensor, "rays 3"],
    near: Float[Tensor, " rays"],
    far: Float[Tensor, " rays"],
    step: float,
    occupancy: Bool[Tensor, "*levels gx gy gz"],
    aabb: Float[Tensor, "2 3"],
    jitter: Float[Tensor, " rays"] | None = None,
    *,
    backend: str = "auto",
) -> RaySamples:
    """Cut each ray into steps of fixed length and keep those whose middle lies in an occupied cell.

    The cuts of a ray with jitter u lie at near + (k - 1 + u) step, k = 0, 1, ..., clipped to [near, far]. So the pieces
    of a ray tile [near, far] without gap for every u, only the first and the last may be shorter than `step`, and with
    u uniform every place is equally likely to be a middle.

    Args:
        origins: o.
        directions: d, of any length; near, far and step count in its units (scene units where d is of unit length).
        near: where to begin, as `ray_box` gives it; finite.
        far: where to end; a ray with far <= near gets no samples.
        step: length of a sample, > 0.
        occupancy: whether each cell of the box holds something; indexed [x, y, z]. With levels in front, level k
            divides a box 2^k times as wide about the same centre, and a point is looked up in the smallest box around
            it: fine cells in the middle of a scene, coarse ones far out.
        aabb: lower corner and upper corner of the box that occupancy divides (level 0's); nothing is kept outside it
            (outside the last level's).
        jitter: u in [0, 1) for each ray, drawn by the caller; None means 0.
        backend: "auto", "numba", "triton" or "reference".

    Returns:
        The samples, packed ray by ray in the order of t. There are no gradients.

    Raises:
        ValueError: a shape, dtype or device does not fit, step is not positive, or a ray is endless.

    Source: Müller et al. 2022 (instant-NGP, arXiv 2201.05989), app. E.1; Li et al. 2023 (nerfacc, arXiv 2305.04966).

    Example:
        >>> box = torch.tensor([[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]])
        >>> o, d = torch.tensor([[-3.0, 0.0, 0.0]]), torch.tensor([[1.0, 0.0, 0.0]])
        >>> occupied = torch.zeros(4, 4, 4, dtype=torch.bool)
        >>> occupied[3] = True
        >>> march_rays(o, d, *ray_box(o, d, box), 0.25, occupied, box).t_start
        tensor([3.5000, 3.7500])
    """
    jitter = torch.zeros_like(near) if jitter is None else jitter
    _check(origins, directions, near, far, step, occupancy, aabb, jitter)
    grids = occupancy if occupancy.ndim == 4 else occupancy[None]
    module = implementation("marching", backend, origins.device.type)
    return module.march_rays(origins, directions, near, far, step, grids, level_boxes(aabb, len(grids)), jitter)


def level_boxes(aabb: Float[Tensor, "2 3"], levels: int) -> Float[Tensor, "levels 2 3"]:
    """The box of each level: the first is `aabb`, each other one twice as wide as the one within, about one centre.

    Example:
        >>> level_boxes(torch.tensor([[-1.0, -1.0, 0.0], [1.0, 1.0, 2.0]]), 2)[1]
        tensor([[-2., -2., -1.],
                [ 2.,  2.,  3.]])
    """
    centre = (aabb[0] + aabb[1]) / 2
    wider = [centre + (aabb - centre) * 2**level for level in range(1, levels)]
    return torch.stack([aabb, *wider])


def _check(
    origins: Tensor,
    directions: Tensor,
    near: Tensor,
    far: Tensor,
    step: float,
    occupancy: Tensor,
    aabb: Tensor,
    jitter: Tensor,
) -> None:
    rays = len(origins)
    shapes = {
        "origins": (origins, (rays, 3)),
        "directions": (directions, (rays, 3)),
        "near": (near, (rays,)),
        "far": (far, (rays,)),
        "aabb": (aabb, (2, 3)),
        "jitter": (jitter, (rays,)),
    }
    for name, (tensor, shape) in shapes.items():
        if tuple(tensor.shape) != shape:
            raise ValueError(f"march_rays: {name} is {list(shape)}, not {list(tensor.shape)}")
        if tensor.dtype != origins.dtype or tensor.device != origins.device:
            actual, expected = f"{tensor.dtype} on {tensor.device}", f"{origins.dtype} on {origins.device}"
            raise ValueError(f"march_rays: {name} is {actual}, origins are {expected}")
    if origins.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"march_rays: rays are float32 or float64, not {origins.dtype}")
    if occupancy.ndim not in (3, 4) or occupancy.dtype != torch.bool or occupancy.device != origins.device:
        actual = f"{occupancy.dtype} {list(occupancy.shape)} on {occupancy.device}"
        raise ValueError(
            f"march_rays: occupancy is bool [gx, gy, gz], or with levels in front, on {origins.device}, not {actual}"
        )
    if not step > 0:
        raise ValueError(f"march_rays: step is {step}; it is a positive length")
    if rays and not float((far - near).max()) / step < _MOST_STEPS:
        raise ValueError(f"march_rays: near and far must be finite and less than {_MOST_STEPS} steps of {step} apart")
