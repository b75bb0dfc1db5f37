"""Whether a change of the code moved a number: runs five methods for 40 steps and hashes every tensor they end with.

    python benchmarks/same_bits.py before.json                # on the code as it was
    python benchmarks/same_bits.py after.json                 # on the code as it is
    python benchmarks/same_bits.py after.json --against before.json

Tensors are compared by value, not by name, so that a renamed parameter does not count as a change.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from safetensors.numpy import load_file

NUM_STEPS = 40
METHODS = {
    "dreamfusion": ["prompt=a red mug", f"stages.nerf.steps={NUM_STEPS}", "~stages.export"],
    "mvdream": ["prompt=a red mug", f"stages.nerf.steps={NUM_STEPS}", "~stages.export"],
    "zero123": ["image={inputs}/mug.png", f"stages.nerf.steps={NUM_STEPS}", "~stages.export"],
    "dreamgaussian": [
        "prompt=a red mug", f"stages.gaussians.steps={NUM_STEPS}", f"stages.texture.steps={NUM_STEPS}",
        "~stages.export",
    ],
    "fit-multiview": ["data={inputs}/mug", f"stages.fit.steps={NUM_STEPS}", "~stages.evaluate", "~stages.export"],
}  # fmt: skip


def make_inputs(folder: Path) -> None:
    """A picture of a nano object and a folder of posed pictures of it, unless they are there already."""
    if (folder / "mug.png").is_file():
        return
    from imageio.v3 import imwrite

    from maquette.data.formats import save_posed_images
    from maquette.images.pixels import to_bytes
    from maquette_nano import world
    from maquette_nano.posed import posed_object

    images = posed_object(world.make_object("mug", "red", "blue", "plain", seed=1), views=12, size=64, test_views=2)
    save_posed_images(folder / "mug", images)
    imwrite(folder / "mug.png", to_bytes(images.picture.rgba[0].numpy()))


def run(method: str, words: list[str], folder: Path) -> dict[str, str]:
    """Run a method; the hash of every tensor of each stage's last checkpoint, by stage and name."""
    words = [word.format(inputs=folder / "inputs") for word in words]
    command = [sys.executable, "-m", "maquette", "run", method, *words, "seed=0", f"output={folder / 'runs'}"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    path = Path(next(line.split(": ", 1)[1] for line in done.stdout.splitlines() if line.startswith("run folder: ")))
    hashes = {}
    for stage in sorted((path / "checkpoints").iterdir()):
        for name, value in load_file(max(stage.glob("step-*")) / "model.safetensors").items():
            hashes[f"{stage.name}/{name}"] = hashlib.blake2b(value.tobytes(), digest_size=16).hexdigest()
    return hashes


def main(
    results: Annotated[Path, typer.Argument(help="file for the hashes; read instead where it is there")],
    against: Annotated[Path | None, typer.Option(help="hashes to compare with")] = None,
    folder: Annotated[Path, typer.Option(help="for inputs and runs")] = Path("outputs/same-bits"),
    method: Annotated[list[str] | None, typer.Option(help="only these")] = None,
) -> None:
    """Run the methods, or compare two sets of hashes; exit code 1 where they differ."""
    if not results.is_file():
        make_inputs(folder / "inputs")
        hashes = {name: run(name, METHODS[name], folder) for name in method or METHODS}
        results.write_text(json.dumps(hashes, indent=1))
    if against is None:
        return
    after, before = (json.loads(path.read_text()) for path in (results, against))
    same = True
    for name in sorted(after.keys() & before.keys()):
        changed = Counter(before[name].values()) - Counter(after[name].values())
        lost = [key for key, value in before[name].items() if value in changed]
        same &= not lost
        print(f"{name}: {len(before[name])} tensors, {'the same bits' if not lost else 'differ: ' + ', '.join(lost)}")
    raise typer.Exit(0 if same else 1)


if __name__ == "__main__":
    typer.run(main)
