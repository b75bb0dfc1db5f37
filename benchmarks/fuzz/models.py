"""Weights, methods, prompts and run folders, each with what a right reading holds; and pickles that run code."""

from __future__ import annotations

import io
import json
import pickle
import random
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from PIL import Image
from safetensors.torch import save

from fuzz.case import Case
from fuzz.scenes import encode
from tiny_models import save_stable_diffusion
from zero123_layouts import tiny_state

LAYER = "down_blocks.0.attentions.{}.transformer_blocks.0.attn{}.to_{}"
SPECIAL = (
    "${", "\\${x}", "???", "\x85", "\n", "\t", "\u2028", "🍄", "\ud83d", "a: b", "# c", "'", '"', "{", "[", "- ", "~",
    "%s", "1984", "null", "\0", "\x1b[31m", "=", "<", "é", "\u202e", "!x ", "&a ", "*a", "${oc.env:HOME}",
    "\\\\", "|", ">", "\ufeff",
)  # fmt: skip
VALUES = (
    "null", "~", "-1", "0", "1e400", "1e308", "9" * 400, ".nan", ".inf", "''", "{}", "[]", "[[]]", "{type: x}", "true",
    "{type: null}", "{type: [a]}", "x", "${prior}", "${stages}", "${", "\\${", "*a", "&a x", "!x y", "[1,2,3,4]", "010",
    "{a: {b: c}}", "1:30", '"\\uD83D"', "[[0,1],['50%',2]]", "[['x',1]]", "{from: 1, to: a}", "~/x", "$HOME", "$NOPE/x",
    "../..", "/dev/zero", '"\\0"', "{~x: }", "{~: }", "-", "[{}]", "{1: 2}", "{null: 1}", "[nan]", "1" * 5000,
    "{after: nerf}", "[[0, 0], [0, 1]]", "dreamfusion", "[dreamfusion, sjc]", "m.yaml",
    "{prior=nano: {stages: {nerf: null}}}",
)  # fmt: skip
TOP = ("extends", "defaults", "when", "groups", "variables", "prior", "stages", "name", "for")
ROOT = Path(__file__).parents[2]
FOLDERS = {
    "method": ROOT / "configs/methods", "recipe": ROOT / "configs/training",
    "suite": ROOT / "plugins/maquette-nano/maquette_nano/configs/suites",
}  # fmt: skip


class _Runs:
    """An object whose pickle runs a program when it is read."""

    def __reduce__(self) -> Any:
        return exec, ("open('../outside/executed', 'w').close()",)


def make_lora(rng: random.Random) -> Case:
    """A LoRA of a few layers in the names of one of the programs."""
    names = {LAYER.format(rng.randint(0, 1), rng.randint(1, 2), rng.choice("qkv")) for _ in range(rng.randint(1, 4))}
    rank, tensors = rng.randint(1, 4), dict[str, torch.Tensor]()
    key, down, up = rng.choice((
        ("lora_unet_{}", "lora_down", "lora_up"), ("unet.{}", "lora_A", "lora_B"), ("unet.{}", "lora.down", "lora.up"),
        ("base_model.model.{}", "lora_A", "lora_B"), ("unet.{}", "lora_A.default", "lora_B.default"),
    ))  # fmt: skip
    for name in sorted(names):
        layer = key.format(name.replace(".", "_") if "lora_unet" in key else name)
        tensors |= {f"{layer}.{down}.weight": torch.ones(rank, 32), f"{layer}.{up}.weight": torch.ones(32, rank)}
        if "lora_unet" in key:
            tensors[f"{layer}.alpha"] = torch.tensor(float(rank))
    metadata = rng.choice((None, {"format": "pt"}, {"ss_network_dim": "4", "lora_adapter_metadata": "{}"}))
    expected = {"layers": {"unet": len(names)}, "ranks": [rank]}
    return Case("lora", {"a.safetensors": save(tensors, metadata)}, "a.safetensors", expected=expected)


def make_pickle(rng: random.Random) -> Case:
    """A checkpoint that runs a program when it is read, in one of the forms of torch.save or as a plain pickle."""
    content, stream, way = {"state_dict": {"a": torch.ones(2)}, "b": _Runs()}, io.BytesIO(), rng.randrange(3)
    if way == 2:
        stream.write(pickle.dumps(content, protocol=rng.randint(0, 5)))
    else:
        torch.save(content, stream, _use_new_zipfile_serialization=way == 0)
    place = rng.choice(("a.ckpt", "a.pt", "a.pth", "a.bin", "a.safetensors", "unet/diffusion_pytorch_model.bin"))
    if "/" not in place:
        return Case("pickle", {place: stream.getvalue()}, place)
    files = {name: data for name, data in prior_files().items() if not name.startswith("unet/diffusion")}
    return Case("pickle", {**files, place: stream.getvalue()})


@cache
def prior_files() -> dict[str, bytes]:
    """A Stable Diffusion of random weights and the least size, by diffusers' own classes."""
    with TemporaryDirectory() as folder:
        paths = sorted(path for path in save_stable_diffusion(Path(folder)).rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@cache
def _single_file() -> bytes:
    return save(tiny_state())


def make_prior(rng: random.Random) -> Case:
    """A prior in diffusers' layout, or in one file."""
    if rng.random() < 0.2:
        return Case("single file", {"a.safetensors": _single_file()}, "a.safetensors", expected={"class": "Zero123"})
    return Case("prior", prior_files(), expected={"class": "StableDiffusionPipeline", "missing_keys": []})


def make_embeddings(rng: random.Random) -> Case:
    """Learned words in the layouts of diffusers and of web interfaces."""
    count, stream = rng.randint(1, 3), io.BytesIO()
    vectors = torch.ones(count, 8)
    name, content = rng.choice((
        ("<one>", {"<one>": vectors}), ("a", {"emb_params": vectors}),
        ("<two>", {"string_to_param": {"*": vectors}, "name": "<two>"}),
    ))  # fmt: skip
    expected = {"words": {name: (count, 8)}}
    torch.save(content, stream)
    if name != "<two>" and rng.random() < 0.5:
        return Case("embeddings", {"a.safetensors": save(content)}, "a.safetensors", expected=expected, reader="embeddings")  # fmt: skip  # noqa: E501
    return Case("embeddings", {"a.pt": stream.getvalue()}, "a.pt", expected=expected, reader="embeddings")


def make_prompt(rng: random.Random) -> Case:
    """A prompt of any characters, on the command line."""
    ranges = [rng.choice(((32, 127), (0, 0x500), (0, 0x110000))) for _ in range(rng.randint(1, 9))]
    pieces = [*(chr(rng.randrange(*one)) for one in ranges), *rng.sample(SPECIAL, rng.randint(0, 3))]
    rng.shuffle(pieces)
    prompt = "".join(pieces)
    fit = prompt.strip() and "\0" not in prompt and not any(0xD800 <= ord(letter) < 0xE000 for letter in prompt)
    expected = {"prompt": prompt} if fit else {}
    return Case("prompt", {}, "dreamfusion", words=(f"prompt={prompt}",), expected=expected, reader="method")


@cache
def _keys() -> list[str]:
    """Dotted keys of two methods."""
    from maquette.config.loading import load_method

    def below(value: Any, start: str) -> list[str]:
        items = value.items() if isinstance(value, dict) else ()
        return [key for name, item in items for key in (start + name, *below(item, f"{start}{name}."))]

    methods = ("dreamfusion", "dreamgaussian")
    return [key for method in methods for key in below(load_method(method, ["prompt=x"]).plain, "")]


def make_words(rng: random.Random) -> Case:
    """A method by name, with settings of the command line that may be nonsense."""
    words = ["prompt=x"]
    for _ in range(rng.randint(1, 3)):
        key = rng.choice(_keys()) + rng.choice(("", "", "", "", ".x", ".0", ".type", ".~x", ".after"))
        words.append(f"~{key}" if rng.random() < 0.3 else f"{key}={rng.choice(VALUES)}")
    return Case("words", {}, rng.choice(("dreamfusion", "dreamgaussian")), words=tuple(words), reader="method")


def make_method(rng: random.Random) -> Case:
    """One of our methods, recipes or suites under a name of its own, which may have lines that are nonsense."""
    reader = rng.choice(("method", "method", "method", "recipe", "suite"))
    lines = rng.choice(sorted(FOLDERS[reader].glob("*.yaml"))).read_text().split("\n")
    for _ in range(rng.randint(0, 3)):
        place, value = rng.randrange(len(lines)), rng.choice(VALUES)
        if ":" in lines[place] and rng.random() < 0.6:
            lines[place] = f"{lines[place].split(':')[0]}: {value}"
        else:
            lines.insert(place, f"{rng.choice(TOP)}: {value}")
    words = ("prompt=x", "image=a.png") if reader == "method" and rng.random() < 0.8 else ()
    picture = encode(Image.new("RGBA", (8, 8)), "PNG")
    files = {"m.yaml": "\n".join(lines).encode(), "a.png": picture}
    return Case(reader, files, "m.yaml", words=words, reader=reader)


@cache
def _run() -> tuple[bytes, dict[str, Any]]:
    from maquette.config.loading import load_method

    resolved = load_method("dreamfusion", ["prompt=a red mug"])
    return resolved.to_yaml().encode(), resolved.plain


def make_run(rng: random.Random) -> Case:
    """The folder of a run that was interrupted, or of one whose first stage ended."""
    config, plain = _run()
    state = json.dumps({"finished": rng.choice(([], ["nerf"])), "config": plain}, default=str).encode()
    place = "checkpoints/nerf/step-00000005/"
    files = {place + f"{name}.safetensors": save({"a": torch.ones(2)}) for name in ("model", "optimizer", "random")}
    files[place + "state.json"] = b'{"step": 5, "optimizer": {}, "random": {}, "extra": {}}'
    files |= {
        "config.yaml": config, "state.json": state, "export/mesh.obj": b"", "manifest.json": b'{"python": "3.11"}',
        "metrics.jsonl": b'{"stage": "nerf", "step": 0, "loss/sds": 1.0}\n' * 3,
    }  # fmt: skip
    return Case("run", files, expected={"prompt": "a red mug", "resumable": True})
