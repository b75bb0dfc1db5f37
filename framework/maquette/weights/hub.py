"""Weights on the Hugging Face Hub: `org/model`, or `org/model@revision` with a branch, a tag or a commit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HUB_NAME = re.compile(r"^([A-Za-z0-9][\w.-]*/[\w.-]+)(?:@([\w.-]+(?:/[\w.-]+)*))?$")
COMMIT = re.compile(r"^[0-9a-f]{40}$")
MAIN = "main"


@dataclass(frozen=True)
class HubModel:
    """A model on the hub.

    Args:
        repository: "org/model".
        revision: a branch, a tag, or a commit of 40 hexadecimal digits; "": the present state of main.

    Example:
        >>> HubModel.named("org/model@v1.2")
        HubModel(repository='org/model', revision='v1.2')
    """

    repository: str
    revision: str = ""

    @classmethod
    def named(cls, name: str) -> HubModel | None:
        """The model of a name; None: it is no hub name."""
        match = HUB_NAME.match(name)
        return cls(match[1], match[2] or "") if match else None

    @property
    def arguments(self) -> dict[str, str]:
        """Arguments of `from_pretrained` and `hf_hub_download` beside the repository."""
        return {"revision": self.revision} if self.revision else {}

    @property
    def cache(self) -> Path:
        """The repository's folder in the cache of downloads; it need not exist."""
        from huggingface_hub import constants

        return Path(constants.HF_HUB_CACHE) / f"models--{self.repository.replace('/', '--')}"

    @property
    def commit(self) -> str:
        """The commit of the revision, from the cache of downloads; "": it was never downloaded. Asks no server."""
        if COMMIT.match(self.revision):
            return self.revision
        reference = self.cache / "refs" / (self.revision or MAIN)
        return reference.read_text(encoding="utf-8").strip() if reference.is_file() else ""


def hub_arguments(source: str) -> tuple[str, dict[str, Any]]:
    """A folder or hub name -> what `from_pretrained` takes: the folder or repository, and its revision.

    Example:
        >>> hub_arguments("org/model@v1"), hub_arguments("org/model")
        (('org/model', {'revision': 'v1'}), ('org/model', {}))
    """
    model = None if Path(source).is_dir() else HubModel.named(source)
    return (source, {}) if model is None else (model.repository, dict(model.arguments))


def hub_file(source: str, name: str) -> Path:
    """A file of a model on the hub, downloaded if need be.

    Raises:
        EntryNotFoundError: the model has no such file.
        OSError, ValueError: the hub cannot be reached, or has no such model or revision, which is named.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import RevisionNotFoundError

    repository, revision = hub_arguments(source)
    try:
        return Path(hf_hub_download(repository, name, **revision))
    except RevisionNotFoundError:
        raise ValueError(f"{repository} has no revision {revision.get('revision', MAIN)!r} on the hub") from None
