"""What a right reading holds: what is always so, and what the maker of an input knows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fuzz.case import Case


class Wrong(Exception):
    """A reading that is not what the file says, or cannot be."""


def require(fact: Any, what: str) -> None:
    """Raise Wrong unless it is so."""
    if not fact:
        raise Wrong(what)


def inspect(case: Case, box: Path) -> None:
    """What `maquette inspect` reads."""
    from maquette.inspection import inspect_path

    loaded = inspect_path(str(box / case.target))
    account = loaded.account()
    try:
        json.dumps(account, allow_nan=False)
    except (TypeError, ValueError) as problem:
        raise Wrong(f"the account is no JSON: {problem}") from problem
    check = {"mesh": _check_mesh, "picture": _check_picture, "posed-images": _check_posed}.get(loaded.kind)
    if check:
        check(loaded.value, case)
    for key in account.keys() & case.expected.keys():
        one, other = account[key], case.expected[key]
        require(_equal(one, other), f"{key} is not what was written: {one} and not {other}")


def method(case: Case, box: Path, folder: str = "methods") -> None:
    """A method, which has to load to the same from its own config.yaml, with the prompt that was given."""
    from maquette.config.loading import load_method

    name = str(box / case.target) if case.target in case.files else case.target
    resolved = load_method(name, case.words, folder)
    expected = case.expected.get("prompt", resolved.method.prompt)
    require(resolved.method.prompt == expected, f"the prompt {expected!a} arrives as {resolved.method.prompt!a}")
    again = box / "run" / "config.yaml"
    again.parent.mkdir(exist_ok=True)
    again.write_text(resolved.to_yaml(), encoding="utf-8")
    try:
        repeated = load_method(str(again), (), folder)
    except Exception as problem:
        raise Wrong(f"its own config.yaml does not load: {problem}") from problem
    # by words, since NaN differs from itself
    require(repr(repeated.method) == repr(resolved.method), "its own config.yaml loads to another method")


def suite(case: Case, box: Path) -> None:
    """A suite of `maquette bench`."""
    from maquette.bench.suites import load_suite

    require(load_suite(str(box / case.target)).cases, "a suite without cases")


def image(case: Case, box: Path) -> None:
    """A reference image, with its mask and a map where there are such."""
    from maquette.images.framing import read_object_picture

    companions = {Path(name).stem: box / name for name in case.files}
    thing = read_object_picture(box / case.target, None, companions.get("mask"))
    _check_picture(thing.picture, case)
    if "map" in companions:
        require(float(thing.read_map(companions["map"]).min()) >= 0, "a map below 0")


def panorama(case: Case, box: Path) -> None:
    """The light of the surroundings."""
    from maquette.images.environment import read_panorama

    radiance = read_panorama(box / case.target).numpy()
    require(np.isfinite(radiance).all() and radiance.min() >= 0, "light that cannot be")
    expected = case.expected.get("radiance", radiance)
    require(radiance.shape == expected.shape and np.allclose(radiance, expected), "light that was not written")


def captioned(case: Case, box: Path) -> None:
    """Views with captions, of which the oracle prior knows its objects."""
    from maquette.data.formats.captioned import load_captioned_views

    _check_posed(load_captioned_views(box).images, case)


def embeddings(case: Case, box: Path) -> None:
    """Learned words of textual inversion."""
    from maquette.priors.text.textual_inversion import read_embeddings

    values = read_embeddings(box / case.target)
    expected = case.expected.get("words", {name: value.shape for name, value in values.items()})
    require({name: value.shape for name, value in values.items()} == expected, f"other words than {expected}")


READERS: dict[str, Callable[[Case, Path], None]] = {
    "inspect": inspect, "method": method, "recipe": lambda case, box: method(case, box, "training"), "suite": suite,
    "image": image, "panorama": panorama, "captioned": captioned, "embeddings": embeddings,
}  # fmt: skip


def _check_mesh(mesh: Any, case: Case) -> None:
    arrays = {name: getattr(mesh, name) for name in ("vertices", "uv", "vertex_colors", "texture")}
    for name, values in arrays.items():
        require(values is None or np.isfinite(np.asarray(values)).all(), f"{name} that are not finite")
        beyond = name in ("vertex_colors", "texture") and values is not None and (values.min() < 0 or values.max() > 1)
        require(not beyond, f"{name} beyond 0 to 1")
    require(mesh.faces.min() >= 0 and mesh.faces.max() < len(mesh.vertices), "faces of vertices that are not there")
    expected = case.expected.get("triangles")
    if expected is not None:
        triangles = np.asarray(mesh.vertices)[np.asarray(mesh.faces)]
        alike = triangles.shape == expected.shape and np.allclose(_sorted(triangles), _sorted(expected), atol=1e-4)
        require(alike, "triangles that were not written")


def _sorted(triangles: np.ndarray) -> np.ndarray:
    """Triangles without regard to their order and where each begins."""
    rounded = [sorted(tuple(round(float(x), 4) + 0.0 for x in corner) for corner in triangle) for triangle in triangles]
    return np.array(sorted(rounded))


def _check_picture(picture: Any, case: Case) -> None:
    pixels = np.concatenate([picture.color.numpy(), picture.alpha.numpy()], axis=-1)
    require(np.isfinite(pixels).all() and pixels.min() >= 0 and pixels.max() <= 1, "values beyond 0 to 1")
    expected = case.expected.get("pixels")
    if expected is not None:
        pixels = pixels.reshape(-1, *pixels.shape[-3:])[0]
        alike = pixels.shape == expected.shape and np.allclose(pixels[..., 3:], expected[..., 3:], atol=2 / 255)
        require(alike, f"another size or alpha than was written: {pixels.shape}")
        difference = float((np.abs(pixels - expected)[..., :3] * expected[..., 3:]).max())
        require(difference <= 3 / 255, f"colours that were not written: {difference:.3f} off")


def _check_posed(images: Any, case: Case) -> None:
    c2w = images.cameras.c2w.numpy()
    rigid = np.isfinite(c2w).all() and np.allclose(np.linalg.det(c2w[:, :3, :3]), 1, atol=1e-3)
    require(rigid, "cameras that are no rotations")
    expected = case.expected.get("positions")
    if expected is not None:
        distances = _distances(c2w[np.argsort(np.array(images.names)), :3, 3])
        alike = len(c2w) == len(expected) and np.allclose(distances, _distances(expected), atol=2e-3)
        require(alike, "cameras that do not stand where they were written")


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
