"""The command line: hostile prompts, malformed configs, quick starts."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from maquette.cli.app import app

PROMPTS = [
    "a robot: red",
    "#1",
    "1984",
    "yes",
    "null",
    "a/b/../c",
    'it\'s a "mug"',
    "x" * 400,
    "a 🦊 in the snow",
    "${seed}",
    "[a, b",
    "  spaces  ",
    "../../etc",
]

METHOD = """
stages:
  nerf:
    type: optimise
    steps: 2
    cameras: {type: random-orbit, size: 16}
    geometry: {type: hash-grid, levels: 2, log2_table_size: 8}
    material: plain
    background: solid
    renderer: {type: volume, samples: 8}
    losses: {opacity: {weight: 1.0}}
    loop: {log_every: 0}
prompt: ???
"""


def call(*words: str):
    return CliRunner().invoke(app, list(words))


def write(folder: Path, text: str) -> str:
    path = folder / "method.yaml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("prompt", PROMPTS)
def test_a_prompt_is_text_whatever_it_holds(prompt, tmp_path):
    method = write(tmp_path, METHOD)
    result = call("run", method, f"prompt={prompt}", f"output={tmp_path / 'out'}", "stages.nerf.steps=1")
    assert result.exit_code == 0, result.output
    (manifest,) = (tmp_path / "out").glob("*/*/*/manifest.json")
    assert json.loads(manifest.read_text())["prompt"] == prompt
    assert yaml.safe_load((manifest.parent / "config.yaml").read_text())["prompt"].replace("\\${", "${") == prompt
    assert len(manifest.parent.parent.name) <= 80


def test_the_stored_config_runs_again_to_the_same_config(tmp_path):
    from maquette.config import load_method

    first = load_method(write(tmp_path, METHOD), ["prompt=costs ${5}: #1"])
    (tmp_path / "again.yaml").write_text(first.to_yaml())
    assert load_method(str(tmp_path / "again.yaml")).method == first.method


MALFORMED = {
    "unknown key": (METHOD.replace("levels: 2", "levles: 2"), [], "did you mean 'levels'"),
    "wrong type": (METHOD.replace("steps: 2", "steps: fast"), [], "expected a whole number, got the text 'fast'"),
    "missing prompt": (METHOD, ["prompt="], 'prompt="..."'),
    "unknown part": (METHOD.replace("hash-grid", "hashgrid"), [], "did you mean 'hash-grid'"),
    "loss the renderer cannot feed": (
        METHOD.replace("opacity: {weight", "total-variation: {weight"),
        [],
        "total_variation",
    ),
    "bad schedule": (METHOD.replace("weight: 1.0", "weight: [[9, 1.0], [3, 0.1]]"), [], "must increase"),
    "empty file": ("", [], "this file is empty"),
    "YAML syntax": (METHOD + "a: [1, 2", [], "YAML syntax error"),
    "cycle": (METHOD + "variables: {a: '${variables.b}', b: '${variables.a}'}", [], "circle"),
    "no such weights": (
        METHOD + "variables: {}",
        ["stages.nerf.guidance={g: {prior: {type: stable-diffusion, path: ./nowhere}, score: cfg, objective: sds}}"],
        "there are no weights at './nowhere'",
    ),
    "unknown top-level key": (METHOD + "promt: x", [], "did you mean 'prompt'"),
    "not an override": (METHOD, ["seed"], "write key=value"),
    "no such method": (None, [], "did you mean 'dreamfusion'"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_config_is_one_line_and_exit_code_2(name, tmp_path):
    text, overrides, expected = MALFORMED[name]
    method = write(tmp_path, text) if text is not None else "dreamfuson"
    prompt = [] if any(word.startswith("prompt=") for word in overrides) else ["prompt=a mug"]
    result = call("run", method, *prompt, *overrides, f"output={tmp_path / 'out'}")
    assert result.exit_code == 2, result.output
    assert expected in result.output
    assert "Traceback" not in result.output and result.output.strip().count("\n") == 0
    assert not (tmp_path / "out").exists()


def test_an_error_names_file_and_line(tmp_path):
    result = call("run", write(tmp_path, METHOD.replace("levels: 2", "levels: many")), "prompt=x")
    assert "stages.nerf.geometry.levels" in result.output and "method.yaml:7" in result.output


def test_a_renderer_that_does_not_fit_names_those_that_do(tmp_path):
    method = write(tmp_path, METHOD.replace("{type: hash-grid, levels: 2, log2_table_size: 8}", "dmtet"))
    result = call("run", method, "prompt=x")
    assert result.exit_code == 2
    message = " ".join(result.output.split())
    assert "renderer 'volume' takes a field, but geometry 'dmtet' is a surface" in message
    assert "mesh" in message.partition("is a surface")[2]


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    result = call("run", write(tmp_path, METHOD), "prompt=x", f"output={blocked / 'out'}")
    assert result.exit_code == 2 and "cannot write here" in result.output


def test_corrupt_safetensors_is_an_error(tmp_path, tiny_pixel_model, tiny_run):
    import shutil

    broken = tmp_path / "broken"
    shutil.copytree(tiny_pixel_model, broken)
    (broken / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0garbage!")
    result = call("run", "dreamfusion", "prompt=a mug", *tiny_run, f"prior.path={broken}")
    assert result.exit_code == 2
    assert "prior.path: cannot load unet" in result.output and "Traceback" not in result.output


def test_importing_maquette_is_quick():
    code = "import sys, maquette; assert 'torch' not in sys.modules and 'pydantic' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_help_loads_neither_torch_nor_lightning():
    code = (
        "import sys\nfrom maquette.cli.app import app\nfrom typer.testing import CliRunner\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0\n"
        "assert not {'torch', 'lightning_fabric', 'diffusers', 'numba'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", ["zero123", "fit-multiview", "instructnerf2nerf"])
def test_show_shows_a_method_without_the_picture_or_data_that_it_needs(name):
    result = call("show", name)
    assert result.exit_code == 0 and "(your " in result.stdout


def test_show_tells_the_origin_of_each_value():
    result = call("show", "dreamfusion", "stages.nerf.steps=5")
    lines = {line.split("#")[0].strip(): line for line in result.output.splitlines()}
    assert "override" in lines["steps: 5"]
    assert "dreamfusion.yaml:" in lines["type: optimise"]
    assert "# default" in lines["log_every: 10"]


@pytest.mark.parametrize(
    ("words", "rows"),
    [
        (("list",), {"dreamfusion", "zero123"}),
        (("list", "geometry"), {"hash-grid", "gaussians", "dmtet"}),
        (("list", "methods"), {"dreamfusion", "zero123"}),
        (("doctor",), {"torch", "hash-grid", "splatting", "cores"}),
        (("plugin", "list"), {"nano"}),
    ],
)
def test_looking_around_names_what_is_there(words, rows):
    result = call(*words)
    assert result.exit_code == 0
    assert rows <= {line.split()[0] for line in result.output.splitlines() if line.strip()}
