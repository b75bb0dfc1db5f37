"""What maquette reads of a file or folder, without running anything: `maquette inspect PATH`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from maquette.config.foreign import read_foreign
from maquette.errors import ConfigError
from maquette.loaded import Loaded

TENSORS = (".safetensors", ".ckpt", ".pt", ".pth", ".bin")
CAMERAS = ("transforms.json", "transforms_train.json", "cameras.json")


def inspect_path(name: str) -> Loaded[Any]:
    """The account of a mesh, point cloud, picture, folder of posed pictures, prior, LoRA or run.

    Each is read by the function by which a run reads it.

    Args:
        name: a file, a folder, `SCHEME:PATH` of a method file that a plugin reads, or the name of weights that a plugin
            carries or that are on the hub.

    Raises:
        ConfigError: it cannot be read, with the line that a run would end with; or it is nothing that can be read.
    """
    try:
        path = Path(name).expanduser()
        there = path.exists()
    except (OSError, RuntimeError) as problem:
        raise ConfigError(f"{name[:100]!r} is no path: {getattr(problem, 'strerror', None) or problem}") from None
    if (foreign := read_foreign(name)) is not None:
        return foreign[1]
    if not there:
        return _inspect_weights(name)
    return _inspect_folder(path) if path.is_dir() else _inspect_file(path)


def _inspect_weights(name: str) -> Loaded[Any]:
    from maquette.priors.inspection import inspect_prior
    from maquette.weights.loading import carried_weights, check_path

    try:
        check_path(name)
    except ValueError:
        raise ConfigError(
            f"there is no file or folder {name}", hint=f"weights of plugins: {carried_weights()}"
        ) from None
    return inspect_prior(name)


def _inspect_folder(path: Path) -> Loaded[Any]:
    from maquette.data.formats.loading import FORMATS, inspect_posed_images
    from maquette.priors.inspection import inspect_prior
    from maquette.weights.lora_files import inspect_lora, is_lora

    if (path / "config.yaml").is_file():
        from maquette.stages.finished import inspect_run

        return inspect_run(path)
    if (path / "model_index.json").is_file() or (path / "unet").is_dir():
        return inspect_prior(str(path))
    if is_lora(path):
        return inspect_lora(path)
    if any(reader.find_file(path) for reader in FORMATS):
        return inspect_posed_images(path)
    raise ConfigError(
        f"{path} is no run, no prior and no folder of posed pictures",
        hint="a run has a config.yaml, a prior a model_index.json, posed pictures transforms.json or COLMAP's files",
    )


def _inspect_file(path: Path) -> Loaded[Any]:
    from maquette.meshes.points import inspect_points
    from maquette.meshes.reading import POINT_READERS, READERS, PointsAlone, inspect_mesh

    suffix = path.suffix.lower()
    if path.name in CAMERAS:
        return _inspect_folder(path.parent)
    if suffix in TENSORS:
        from maquette.priors.inspection import inspect_prior
        from maquette.weights.lora_files import inspect_lora, is_lora

        return inspect_lora(path) if is_lora(path) else inspect_prior(str(path))
    if suffix in (".splat", ".ply"):
        from maquette.geometry.splat_reading import holds_splats, inspect_splats

        if suffix == ".splat" or holds_splats(path):
            return inspect_splats(path)
    if suffix.lstrip(".") in POINT_READERS:
        return inspect_points(path)
    if suffix.lstrip(".") in READERS:
        try:
            return inspect_mesh(path)
        except PointsAlone:
            return inspect_points(path)
    from maquette.images.reading import inspect_picture

    return inspect_picture(path)
