"""Loading of a folder of posed images, with detection of its format."""

from __future__ import annotations

from pathlib import Path

from maquette.data.formats import cameras_json, colmap_text, transforms_json
from maquette.data.formats.frames import Reading, assemble
from maquette.data.formats.posed_images import PosedImages
from maquette.errors import ConfigError
from maquette.files import display_path

FORMATS = (cameras_json, transforms_json, colmap_text)  # in order of precedence: the first whose file exists is used
EXPECTED_FILES = "cameras.json, transforms_train.json, transforms.json, images.txt (also in sparse/0/ and sparse/)"


def load_posed_images(folder: Path | str, reading: Reading | None = None) -> PosedImages:
    """The posed images in a folder of any supported format; docs/multiview.md describes each.

    Args:
        folder: folder with the pictures and the files of their cameras.
        reading: size, placement and hold-out; None: the defaults.

    Raises:
        ConfigError: no such folder, no supported format, or malformed files, by file and key or line.
    """
    reading, folder = reading or Reading(), Path(folder)
    if not folder.is_dir():
        what = "this is a file" if folder.is_file() else "there is no such folder"
        raise ConfigError(f"{what}: {display_path(folder)}", key="data", hint="give the folder that holds the pictures")
    for reader in FORMATS:
        file = reader.find_file(folder)
        if file is not None:
            return assemble(reader.read_layout(file, reading), reading)
    raise ConfigError(
        f"no posed images in {display_path(folder)}: none of {EXPECTED_FILES} is there",
        key="data",
        hint=_remedy(folder),
    )


def _remedy(folder: Path) -> str:
    if any(next(folder.glob(f"{folder_name}images.bin"), None) for folder_name in ("", "sparse/0/", "sparse/")):
        return "write COLMAP's binary model as text: colmap model_converter --output_type TXT"
    return "docs/multiview.md shows each format"
