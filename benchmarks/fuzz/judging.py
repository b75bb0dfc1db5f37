"""What a right reading holds: what is always so, and what the maker of an input knows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from fuzz.case import Case


class Wrong(Exception):
    """A reading that is not what the file says, or cannot be."""


def check_reading(loaded: Any, case: Case) -> None:
    """Raise Wrong if the account of a reading or its value cannot be right."""
    account = loaded.account()
    try:
        json.dumps(account, allow_nan=False)
    except (TypeError, ValueError) as problem:
        raise Wrong(f"{case.loader}: the account is no JSON: {problem}") from problem
    check = {"mesh": _check_mesh, "picture": _check_picture, "posed-images": _check_posed}.get(loaded.kind)
    if check:
        check(loaded.value, case)
    for key, expected in case.expected.items():
        if key in account and not _equal(account[key], expected):
            raise Wrong(f"{case.loader}: {key} is not what was written: {account[key]} and not {expected}")


def check_method(resolved: Any, case: Case, folder: Path) -> None:
    """Raise Wrong if a method does not load to the same from its own config.yaml, or lost its prompt."""
    from maquette.config.loading import load_method

    expected = case.expected.get("prompt", resolved.method.prompt)
    if resolved.method.prompt != expected:
        raise Wrong(f"the prompt {expected!a} arrives as {resolved.method.prompt!a}")
    again = folder / "run" / "config.yaml"
    again.parent.mkdir(exist_ok=True)
    again.write_text(resolved.to_yaml(), encoding="utf-8")
    try:
        repeated = load_method(str(again))
    except Exception as problem:
        raise Wrong(f"its own config.yaml does not load: {problem}") from problem
    if repr(repeated.method) != repr(resolved.method):  # by words, since NaN differs from itself
        raise Wrong("its own config.yaml loads to another method")


def _check_mesh(mesh: Any, case: Case) -> None:
    for name in ("vertices", "vertex_colors", "uv", "texture"):
        values = getattr(mesh, name)
        if values is not None and not np.isfinite(np.asarray(values)).all():
            raise Wrong(f"{case.loader}: {name} that are not finite")
    if mesh.faces.min() < 0 or mesh.faces.max() >= len(mesh.vertices):
        raise Wrong(f"{case.loader}: faces of vertices that are not there")
    for name in ("vertex_colors", "texture"):
        values = getattr(mesh, name)
        if values is not None and (np.asarray(values).min() < 0 or np.asarray(values).max() > 1):
            raise Wrong(f"{case.loader}: {name} beyond 0 to 1")
    expected = case.expected.get("triangles")
    if expected is not None:
        triangles = np.asarray(mesh.vertices)[np.asarray(mesh.faces)]
        if triangles.shape != expected.shape or not np.allclose(_sorted(triangles), _sorted(expected), atol=1e-4):
            raise Wrong(f"{case.loader}: triangles that were not written")


def _sorted(triangles: np.ndarray) -> np.ndarray:
    """Triangles without regard to their order and where each begins."""
    rounded = [sorted(tuple(round(float(x), 4) + 0.0 for x in corner) for corner in triangle) for triangle in triangles]
    return np.array(sorted(rounded))


def _check_picture(picture: Any, case: Case) -> None:
    pixels = np.concatenate([picture.color.numpy(), picture.alpha.numpy()], axis=-1)
    if not (np.isfinite(pixels).all() and pixels.min() >= 0 and pixels.max() <= 1):
        raise Wrong("picture: values beyond 0 to 1")
    expected = case.expected.get("pixels")
    if expected is None:
        return
    pixels = pixels.reshape(-1, *pixels.shape[-3:])[0]
    if pixels.shape != expected.shape or not np.allclose(pixels[..., 3:], expected[..., 3:], atol=2 / 255):
        raise Wrong(f"picture: another size or alpha than was written: {pixels.shape}")
    difference = np.abs(pixels - expected)[..., :3] * expected[..., 3:]
    if difference.max() > 3 / 255:
        raise Wrong(f"picture: colours that were not written: {difference.max():.3f} off")


def _check_posed(images: Any, case: Case) -> None:
    c2w = images.cameras.c2w.numpy()
    if not (np.isfinite(c2w).all() and np.allclose(np.linalg.det(c2w[:, :3, :3]), 1, atol=1e-3)):
        raise Wrong(f"{case.loader}: cameras that are no rotations")
    expected = case.expected.get("positions")
    if expected is None:
        return
    order = np.argsort(np.array(images.names))
    distances = _distances(c2w[order, :3, 3])
    if len(c2w) != len(expected) or not np.allclose(distances, _distances(expected), atol=2e-3):
        raise Wrong(f"{case.loader}: cameras that do not stand where they were written")


def _distances(positions: np.ndarray) -> np.ndarray:
    """Distances between all positions, as parts of the largest, which no placement changes."""
    distances = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
    return distances / distances.max()


def _equal(one: Any, other: Any) -> bool:
    if one is None or other is None:
        return one is other
    if isinstance(other, (list, float)):
        return np.shape(one) == np.shape(other) and bool(np.allclose(one, other, atol=6e-3))
    return one == other
