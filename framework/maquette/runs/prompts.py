"""Lists of prompts: files with one prompt a line, and those that come with maquette and its plugins."""

from __future__ import annotations

from pathlib import Path

from maquette.config import paths
from maquette.errors import ConfigError, did_you_mean
from maquette.files import decode_text

LIBRARY = "lib:"  # before the name of a list that comes with maquette or a plugin
SUFFIX = ".txt"


def read_prompts(name: str) -> list[str]:
    """The prompts of a list, in order, each once.

    Empty lines and lines that begin with `#` are left out.

    Args:
        name: a text file, or `lib:NAME` for `configs/prompts/NAME.txt` of maquette or of a plugin.

    Raises:
        ConfigError: there is no such list, or no prompt in it.
    """
    path = _library_file(name.removeprefix(LIBRARY)) if name.startswith(LIBRARY) else Path(name).expanduser()
    try:
        lines = decode_text(path.read_bytes()).splitlines()
    except OSError as problem:
        hint = f"a list that comes with maquette is {LIBRARY}NAME, known: {', '.join(library())}"
        raise ConfigError(f"cannot read {name}: {problem.strerror or problem}", key="prompts", hint=hint) from None
    except UnicodeDecodeError:
        raise ConfigError(f"{name} is no text in UTF-8", key="prompts", hint="save it as UTF-8") from None
    prompts = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not prompts:
        raise ConfigError(f"there is no prompt in {name}", key="prompts", hint="write one a line; # begins a comment")
    return list(dict.fromkeys(prompts))


def library() -> dict[str, Path]:
    """Name -> file of the lists that come with maquette and its plugins; the first folder of a name wins."""
    files: dict[str, Path] = {}
    for root in paths.config_roots():
        for path in sorted((root / "prompts").glob(f"*{SUFFIX}")):
            files.setdefault(path.stem, path)
    return files


def _library_file(name: str) -> Path:
    files = library()
    if name not in files:
        hint = f"{did_you_mean(name, files)}known: {', '.join(files) or 'none'}"
        raise ConfigError(f"there is no list of prompts {name!r}", key="prompts", hint=hint)
    return files[name]
