"""Locating pretrained weights, and loading networks with a check of every tensor."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from maquette import plugins
from maquette.errors import ConfigError
from maquette.weights.hub import HUB_NAME, hub_arguments
from maquette.weights.part_files import PartFiles, check_config_size, part_files
from maquette.weights.raw_files import (
    is_finite,
    is_safetensors,
    read_json,
    readable_folder,
    refuse_non_finite,
    safetensors_header,
)

if TYPE_CHECKING:
    from torch import Tensor, nn

_log = logging.getLogger(__name__)

Network = TypeVar("Network", bound="nn.Module")
COUNTED = ("position_ids", "relative_position_index")
"""Endings of tensors that older releases stored and newer ones compute."""
SHOWN_NAMES = 5  # of missing or unexpected tensors in a message
SDXL = "conditioner.embedders.1."
"""Prefix of the second text encoder in a single file of SDXL."""
UNREAD = {
    "conditioner.embedders.0.model.": "SDXL's refiner", "model.diffusion_model.joint_blocks.": "Stable Diffusion 3",
    "model.diffusion_model.double_blocks.": "Flux", "double_blocks.": "Flux",
}  # fmt: skip
"""Prefix of tensors in a single file -> the model that has them."""
LEARNED_WORDS = "learned_embeds.safetensors"
"""Name of a textual inversion file in diffusers."""


def weights_source(path: str) -> str:
    """The folder of weights that a plugin carries by this name, or a folder on disk; else `path` as a hub name."""
    folder = plugins.find_weights(path) or Path(path).expanduser()
    return str(folder) if folder.is_dir() else path


def carried_weights() -> str:
    """The names of the weights that plugins carry, for hints."""
    return ", ".join(plugins.weights()) or "none installed"


def check_path(path: str) -> None:
    """Check that a path is a folder, the name of weights that a plugin carries, or a hub name.

    Raises:
        ValueError: naming the weights that plugins carry.
    """
    if Path(path).expanduser().is_dir() or plugins.find_weights(path) is not None:
        return
    if Path(path).expanduser().is_file():
        raise ValueError(single_file(path))
    if path.startswith(("/", ".", "~")) or not HUB_NAME.match(path):
        raise ValueError(
            f"there are no weights at {path!r}: neither a folder, nor a plugin's weights ({carried_weights()}), "
            "nor a hub name like org/model or org/model@revision"
        )


def check_single_file(path: str) -> None:
    """Raise ValueError for a safetensors file of a model that is not read from one, by the names of its tensors."""
    names = _tensor_names(Path(path).expanduser())
    if any(name.startswith((SDXL, *UNREAD)) for name in names):
        raise ValueError(single_file(path, names))


def single_file(path: str, names: Iterable[str] | None = None) -> str:
    """The message that a single file is of no model that is read from one.

    Args:
        names: of its tensors; None: they are read if it is safetensors.
    """
    tensors = _tensor_names(Path(path).expanduser()) if names is None else tuple(names)
    for mark, model in UNREAD.items():
        if any(name.startswith(mark) for name in tensors):
            return f"{path} is a single file of {model}, which no prior here takes"
    if any(name.startswith(SDXL) for name in tensors):
        remedy = conversion(path, "StableDiffusionXLPipeline")
        return f"{path} is Stable Diffusion XL in a single file; {remedy} as prior=sdxl prior.path=FOLDER"
    return (
        f"{path} is a single file, and of those only Stable Diffusion 1 and 2 (stable-diffusion), the original "
        f"Zero-1-to-3 (zero123) and MVDream (mvdream) are read; {conversion(path)}"
    )


def conversion(path: str, pipeline: str = "StableDiffusionPipeline") -> str:
    """How a single file becomes a folder: by diffusers, which gets tokenizers and configs from the hub."""
    code = f"{pipeline}.from_single_file({str(path)!r}).save_pretrained('FOLDER')"
    return f"convert it with diffusers, once: `from diffusers import {pipeline}; {code}`, and give the folder"


def _tensor_names(file: Path) -> tuple[str, ...]:
    try:
        return tuple(safetensors_header(file)) if is_safetensors(file) else ()
    except ConfigError:
        return ()


def halved(network: Network) -> Network:
    """A copy of a network in half precision, for saving."""
    return copy.deepcopy(network).half()


@contextmanager
def quiet(source: str = "") -> Iterator[None]:
    """Silence the logs of diffusers and transformers, and their progress bars unless `source` is a hub name."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    libraries = (diffusers_logging, transformers_logging)
    verbosities = [library.get_verbosity() for library in libraries]
    bars = not source or Path(source).is_dir()
    for library in libraries:
        library.set_verbosity(logging.CRITICAL)  # their errors come as exceptions, too
        if bars:
            library.disable_progress_bar()
    try:
        yield
    finally:
        for library, verbosity in zip(libraries, verbosities, strict=True):
            library.set_verbosity(verbosity)
            if bars:
                library.enable_progress_bar()


@dataclass(frozen=True, eq=False)
class NetworkReport:
    """A network, and the differences between its tensors and the files'.

    Args:
        network: of diffusers or transformers.
        missing: tensors of the network that the files lack; they have random values.
        unexpected: tensors of the files that the network lacks.
        misshapen: tensors of another shape.
        files: its files; None: they are on the hub.
    """

    network: Any
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    misshapen: tuple[str, ...]
    files: PartFiles | None


def read_network(
    cls: Any, source: str, what: str, key: str = "", hint: str = "", spare: tuple[str, ...] = (), **settings: Any
) -> Any:
    """Load a frozen network of diffusers or transformers, with a check that its tensors are those in the file.

    Args:
        cls: its class in diffusers or transformers.
        source: folder or hub name.
        what: description of the network, for messages.
        key: config key, for messages.
        hint: remedy, for messages.
        spare: prefixes of tensors that may be missing in the file, or unexpected there.
        settings: arguments of `from_pretrained`.

    Raises:
        ConfigError: it cannot be read, tensors are missing, unexpected or of another shape, or are not finite; naming
            them.
    """
    report = report_network(cls, source, what, key, hint, spare, **settings)
    refuse_differences(what, report.missing, report.unexpected, report.misshapen, key)
    return report.network.requires_grad_(False).eval()


def report_network(
    cls: Any, source: str, what: str, key: str = "", hint: str = "", spare: tuple[str, ...] = (), **settings: Any
) -> NetworkReport:
    """Load a network as `read_network` does, and report missing and unexpected tensors instead of refusing them.

    A variant of its files, such as fp16, is taken where there are no others.

    Raises:
        ConfigError: it cannot be read, or tensors are not finite; naming file and tensor.
    """
    folder, pickles = Path(source) / settings.get("subfolder", ""), not settings.get("use_safetensors")
    if not Path(source).is_dir():
        network, report = _from_hub(cls, source, what, key, hint, settings)
        files = None
    else:
        with readable_folder(folder, key) as readable:
            files = _files(folder, what, pickles, key, hint)
            if (readable / "config.json").is_file():
                check_config_size(read_json(readable / "config.json", key), files, folder / "config.json", key)
            local = {name: value for name, value in settings.items() if name != "subfolder"}
            network, report = _from_pretrained(cls, str(readable), what, key, hint, variant=files.variant, **local)
    _refuse_non_finite(network, {*report["missing_keys"]}, files, what, key)
    missing, unexpected = (
        tuple(name for name in report[kind] if not name.startswith(spare) and not name.endswith(COUNTED))
        for kind in ("missing_keys", "unexpected_keys")
    )
    return NetworkReport(network, missing, unexpected, tuple(entry[0] for entry in report["mismatched_keys"]), files)


def _files(folder: Path, what: str, pickles: bool, key: str, hint: str) -> PartFiles:
    try:
        return part_files(folder, pickles, key)
    except ConfigError as problem:
        raise ConfigError(f"cannot load {what}: {problem.message}", key=key, hint=problem.hint or hint) from problem


def _from_pretrained(cls: Any, source: str, what: str, key: str, hint: str, **settings: Any) -> tuple[Any, Any]:
    place, revision = hub_arguments(source)
    try:
        with quiet(source):
            return cls.from_pretrained(
                place, output_loading_info=True, ignore_mismatched_sizes=True, **revision, **settings
            )
    except Exception as problem:  # safetensors, json, pickle, hub and key errors have no common base
        raise unreadable(what, problem, key, hint) from problem


def _from_hub(cls: Any, source: str, what: str, key: str, hint: str, settings: dict[str, Any]) -> tuple[Any, Any]:
    """A network of the hub; its variant fp16 if it has no files without one."""
    try:
        return _from_pretrained(cls, source, what, key, hint, **settings)
    except ConfigError:
        try:
            loaded = _from_pretrained(cls, source, what, key, hint, variant="fp16", **settings)
        except ConfigError:
            loaded = None
        if loaded is None:
            raise
        _log.info("%s: taking the variant fp16, since there are no other weights", what)
        return loaded


def _refuse_non_finite(network: Any, missing: set[str], files: PartFiles | None, what: str, key: str) -> None:
    """Refuse a network with a NaN or an infinity; naming the file and the tensor as the file does."""
    tensors = {name: tensor for name, tensor in network.state_dict().items() if name not in missing}
    if all(is_finite(tensor) for tensor in tensors.values()):
        return
    if files is not None and (entry := files.first_non_finite()) is not None:
        path, name, tensor = entry
        refuse_non_finite([(name, tensor)], str(path), key)
    refuse_non_finite(tensors.items(), what, key)


@contextmanager
def readable_source(source: str, key: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Place and further arguments of transformers' `from_pretrained`, for files of a folder or hub name but weights.

    A folder is read as `readable_folder` does; see there for errors.
    """
    with quiet(source), readable_folder(Path(source), key) as readable:
        yield hub_arguments(str(readable) if Path(source).is_dir() else source)


def unreadable(what: str, problem: Exception, key: str = "", hint: str = "") -> ConfigError:
    """The error for weights that cannot be loaded."""
    first = str(problem).strip().split("\n")[0][:200]
    return ConfigError(f"cannot load {what}: {type(problem).__name__}: {first}", key=key, hint=hint)


def refuse_differences(
    what: str, missing: Sequence[str], unexpected: Sequence[str], shapes: Sequence[str] = (), key: str = "prior.path"
) -> None:
    """Refuse a checkpoint with missing or unexpected tensors, or with other shapes.

    Raises:
        ConfigError: there are any; naming the first of them.
    """
    kinds = {"missing": missing, "unexpected": unexpected, "of another shape": shapes}
    differences = [f"{len(names)} {kind} ({_some(sorted(names))})" for kind, names in kinds.items() if names]
    if differences:
        raise ConfigError(
            f"{what} does not fit the model it is for: tensors {', '.join(differences)}", key=key,
            hint="the file is incomplete, or of another model",
        )  # fmt: skip


def load_tensors(network: nn.Module, tensors: Mapping[str, Tensor], what: str, key: str = "") -> None:
    """Load tensors into a network of exactly their names and shapes.

    Args:
        network: of ours, or of diffusers or transformers.
        tensors: by name.
        what: description of the tensors, for messages.
        key: config key, for messages.

    Raises:
        ConfigError: tensors are missing, unexpected, of another shape or not finite; naming them.
    """
    state = network.state_dict()
    shapes = [name for name in tensors.keys() & state.keys() if tensors[name].shape != state[name].shape]
    missing, unexpected = sorted(state.keys() - tensors.keys()), sorted(tensors.keys() - state.keys())
    refuse_differences(what, missing, unexpected, shapes, key)
    refuse_non_finite(tensors.items(), what, key)
    network.load_state_dict(tensors)


def _some(names: Sequence[str]) -> str:
    rest = len(names) - SHOWN_NAMES
    return ", ".join(names[:SHOWN_NAMES]) + (f" and {rest} more" if rest > 0 else "")
