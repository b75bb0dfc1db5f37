"""The fingerprint of a run: what its results depend on, so that only equal runs are ever reused."""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from maquette import __version__, plugins, registry
from maquette.config.loading import ResolvedConfig
from maquette.config.parts import PartSpec, instances_within
from maquette.config.schema import WITHOUT_EFFECT
from maquette.plugins.local import SOURCE as LOCAL
from maquette.weights.hashes import content_hash
from maquette.weights.hub import HubModel

WORDS = ("prompt", "negative_prompt", "name", "type")
"""Last words of keys whose values are never paths."""
CACHE = "cache"
"""Last word of keys that name a folder of what a part can make again: no result depends on it."""


@dataclass(frozen=True)
class Fingerprint:
    """What the results of a run depend on.

    Attributes:
        config: the resolved configuration, without its output folder.
        distributions: of the configured parts, with their versions; of an editable checkout, a hash of its sources.
        inputs: values of the configuration that name files, folders or weights, each with the hash of the content.
    """

    config: Mapping[str, Any]
    distributions: Mapping[str, str]
    inputs: Mapping[str, str]

    @property
    def digest(self) -> str:
        """32 hexadecimal digits; equal for equal runs."""
        plain = json.dumps([self.config, self.distributions, self.inputs], sort_keys=True, default=str)
        return hashlib.sha256(plain.encode(errors="surrogatepass")).hexdigest()[:32]

    def record(self) -> dict[str, Any]:
        """For manifests and results: the digest, and what it was made of besides the configuration."""
        return {"digest": self.digest, "distributions": dict(self.distributions), "inputs": dict(self.inputs)}


def fingerprint(resolved: ResolvedConfig) -> Fingerprint:
    """The fingerprint of a method's configuration on this machine.

    Raises:
        OSError: a file that the configuration names cannot be read.
    """
    config = _without_caches({key: value for key, value in resolved.plain.items() if key not in WITHOUT_EFFECT})
    hashed = {value: digest for key, value in _texts(config) if (digest := _hash_of(key, value))}
    versions = distributions([spec for _, spec in instances_within(resolved.method, PartSpec)])
    content = {value: f"content {digest}" for value, digest in hashed.items() if Path(value).expanduser().exists()}
    return Fingerprint(_replaced(config, content), versions, dict(sorted(hashed.items())))


def distributions(parts: Iterable[PartSpec]) -> dict[str, str]:
    """Distribution of each part -> its version; with a hash of the sources where it is an editable checkout."""
    sources = {registry.source(spec.kind, spec.name): spec.cls.__module__ for spec in parts}
    sources.pop(LOCAL, None)  # their files are inputs, by the key `plugins`
    return {name: _version(name, module.partition(".")[0]) for name, module in sorted(sources.items())}


def local_hashes(parts: Iterable[PartSpec]) -> dict[str, str]:
    """Name of each part that is in a local file -> sha256 of the file."""
    declarations = {spec.name: registry.declaration(spec.kind, spec.name) for spec in parts}
    return {name: one.digest for name, one in sorted(declarations.items()) if one is not None and one.source == LOCAL}


def _without_caches(data: Any) -> Any:
    """Plain data without the folders of its caches, wherever they stand."""
    if isinstance(data, Mapping):
        return {key: _without_caches(value) for key, value in data.items() if key != CACHE}
    return [_without_caches(value) for value in data] if isinstance(data, (list, tuple)) else data


def _texts(data: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Dotted key and value of every text of nested plain data."""
    if isinstance(data, Mapping):
        for name, value in data.items():
            yield from _texts(value, f"{key}.{name}")
    elif isinstance(data, (list, tuple)):
        for value in data:
            yield from _texts(value, key)
    elif isinstance(data, str):
        yield key, data


def _hash_of(key: str, value: str) -> str:
    """Hash of the content that a value names; empty if it names none."""
    if not value.strip() or key.rpartition(".")[2] in WORDS:
        return ""
    carried = plugins.find_weights(value)
    if carried is not None:
        return content_hash(carried)
    try:
        path = Path(value).expanduser()
        if path.exists():
            return content_hash(path)
    except (OSError, ValueError, RuntimeError):  # too long for a name, or no such user
        return ""
    model = HubModel.named(value)
    return model.commit if model is not None else ""


def _replaced(data: Any, content: Mapping[str, str]) -> Any:
    """Plain data with paths of inputs replaced by their content, so that a moved file is the same input."""
    if isinstance(data, Mapping):
        return {key: value if key in WORDS else _replaced(value, content) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_replaced(value, content) for value in data]
    return content.get(data, data) if isinstance(data, str) else data


@cache
def _version(name: str, package: str) -> str:
    """Version of a distribution; with a hash of the sources of its package where it is an editable checkout."""
    try:
        package_info = distribution(name)
        version, installed = package_info.version, json.loads(package_info.read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        version, installed = __version__ if name == "maquette" else "", {"dir_info": {"editable": True}}
    if not installed.get("dir_info", {}).get("editable"):
        return version
    return f"{version}+{_source_hash(package)}"


def _source_hash(package: str) -> str:
    origin = importlib.import_module(package).__file__
    if origin is None:
        return ""
    root, digest = Path(origin), hashlib.sha256()
    for path in sorted(root.parent.rglob("*.py")) if root.name == "__init__.py" else [root]:
        digest.update(path.relative_to(root.parent).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]
