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

LAYER = "down_blocks.0.attentions.{}.transformer_blocks.0.attn{}.to_{}"
SPECIAL = (
    "${",
    "\\${x}",
    "???",
    "\x85",
    "\n",
    "\t",
    "\u2028",
    "🍄",
    "\ud83d",
    "a: b",
    "# c",
    "'",
    '"',
    "{",
    "[",
    "- ",
    "~",
    "%s",
    "1984",
    "null",
    "\0",
    "\x1b[31m",
    "=",
    "<",
    "é",
    "\u202e",
    "!x ",
    "&a ",
    "*a",
)
VALUES = (
    "null", "~", "-1", "0", "1e400", "1e308", "9" * 400, ".nan", ".inf", "''", "{}", "[]", "[[]]", "{type: x}", "{type: null}",
    "{type: [a]}", "true", "x", "${prior}", "${stages}", "${", "\\${", "*a", "&a x", "!x y", "[1,2,3,4]", "{a: {b: c}}", "010",
    "1:30", '"\\uD83D"', "[[0,1],['50%',2]]", "[['x',1]]", "{from: 1, to: a}", "~/x", "$HOME", "$NOPE/x", "../..", "/dev/zero",
    '"\\0"', "{~x: }", "{~: }", "-", "[{}]", "{1: 2}", "{null: 1}", "[nan]", "1" * 5000, "{after: nerf}", "[[0, 0], [0, 1]]",
)  # fmt: skip


class _Runs:
    """An object whose pickle runs a program when it is read."""

    def __reduce__(self) -> Any:
        return exec, ("open('../outside/executed', 'w').close()",)


def make_lora(rng: random.Random) -> Case:
    """A LoRA of a few layers in the names of one of the programs."""
    names = sorted(
        {LAYER.format(rng.randint(0, 1), rng.randint(1, 2), rng.choice("qkv")) for _ in range(rng.randint(1, 4))}
    )
    rank, dialect = rng.randint(1, 4), rng.choice(("kohya", "diffusers", "diffusers old", "peft"))
    tensors = {}
    for name in names:
        down, up = torch.ones(rank, 32), torch.ones(32, rank)
        if dialect == "kohya":
            key = "lora_unet_" + name.replace(".", "_")
            tensors |= {
                f"{key}.lora_down.weight": down,
                f"{key}.lora_up.weight": up,
                f"{key}.alpha": torch.tensor(float(rank)),
            }
        elif dialect == "diffusers old":
            tensors |= {f"unet.{name}.lora.down.weight": down, f"unet.{name}.lora.up.weight": up}
        else:
            key = f"unet.{name}" if dialect == "diffusers" else f"base_model.model.{name}"
            tensors |= {f"{key}.lora_A.weight": down, f"{key}.lora_B.weight": up}
    metadata = rng.choice((None, {"format": "pt"}, {"ss_network_dim": "4", "lora_adapter_metadata": "{}"}))
    files = {"lora.safetensors": save(tensors, metadata)}
    return Case("lora", files, "lora.safetensors", expected={"layers": {"unet": len(names)}, "ranks": [rank]})


def make_pickle(rng: random.Random) -> Case:
    """A checkpoint that runs a program when it is read, in one of the forms of torch.save or as a plain pickle."""
    content = {"state_dict": {"a": torch.ones(2)}, "b": _Runs()}
    stream = io.BytesIO()
    way = rng.randrange(3)
    if way == 2:
        stream.write(pickle.dumps(content, protocol=rng.randint(0, 5)))
    else:
        torch.save(content, stream, _use_new_zipfile_serialization=way == 0)
    place = rng.choice(("a.ckpt", "a.pt", "a.pth", "a.bin", "unet/diffusion_pytorch_model.bin"))
    if "/" not in place:
        return Case("pickle", {place: stream.getvalue()}, place)
    files = {name: data for name, data in prior_files().items() if not name.startswith("unet/diffusion")}
    return Case("pickle", {**files, place: stream.getvalue()})


@cache
def prior_files() -> dict[str, bytes]:
    """A Stable Diffusion of random weights and the least size, by diffusers' own classes."""
    from diffusers import AutoencoderKL, DDPMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    from maquette.learners.base import word_tokenizer

    torch.manual_seed(0)
    tokenizer = word_tokenizer(["a", "red", "mug"], 16)
    special = {name: getattr(tokenizer, name) for name in ("eos_token_id", "bos_token_id", "pad_token_id")}
    text = CLIPTextConfig(vocab_size=len(tokenizer), hidden_size=8, intermediate_size=8, num_hidden_layers=1,
                          num_attention_heads=2, max_position_embeddings=16, **special)  # fmt: skip
    pipeline = StableDiffusionPipeline(
        vae=AutoencoderKL(block_out_channels=(8, 8), norm_num_groups=4, down_block_types=("DownEncoderBlock2D",) * 2,
                          up_block_types=("UpDecoderBlock2D",) * 2),
        text_encoder=CLIPTextModel(text), tokenizer=tokenizer,
        unet=UNet2DConditionModel(sample_size=16, block_out_channels=(8,), layers_per_block=1, norm_num_groups=4,
                                  cross_attention_dim=8, attention_head_dim=4, down_block_types=("CrossAttnDownBlock2D",),
                                  up_block_types=("CrossAttnUpBlock2D",)),
        scheduler=DDPMScheduler(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    with TemporaryDirectory() as folder:
        pipeline.save_pretrained(folder)
        paths = [path for path in sorted(Path(folder).rglob("*")) if path.is_file()]
        return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def make_prior(rng: random.Random) -> Case:
    """A prior in diffusers' layout."""
    return Case(
        "prior", prior_files(), expected={"class": "StableDiffusionPipeline", "missing_keys": [], "text_tokens": 16}
    )


def make_prompt(rng: random.Random) -> Case:
    """A prompt of any characters, on the command line."""
    letters = [
        chr(rng.choice((rng.randrange(32, 127), rng.randrange(0x500), rng.randrange(0x110000))))
        for _ in range(rng.randint(1, 9))
    ]
    pieces = [*letters, *rng.sample(SPECIAL, rng.randint(0, 3))]
    rng.shuffle(pieces)
    prompt = "".join(pieces)
    fit = prompt.strip() and "\0" not in prompt and not any(0xD800 <= ord(letter) < 0xE000 for letter in prompt)
    return Case(
        "prompt", {"a.txt": b""}, "dreamfusion", words=(f"prompt={prompt}",), expected={"prompt": prompt} if fit else {}
    )


@cache
def _methods() -> tuple[dict[str, str], list[str]]:
    """Our own method files, and the keys of two of them."""
    from maquette.config.loading import load_method

    configs = Path(__file__).parents[2] / "configs"
    texts = {str(path.relative_to(configs)): path.read_text() for path in sorted(configs.glob("*/*.yaml"))}
    keys: list[str] = []

    def collect(value: Any, start: str) -> None:
        for key, item in value.items() if isinstance(value, dict) else ():
            keys.append(f"{start}{key}")
            collect(item, f"{start}{key}.")

    collect(load_method("dreamfusion", ["prompt=x"]).plain, "")
    collect(load_method("dreamgaussian", ["prompt=x"]).plain, "")
    return texts, keys


def make_words(rng: random.Random) -> Case:
    """A method by name, with settings of the command line that may be nonsense."""
    keys, words = _methods()[1], ["prompt=x"]
    for _ in range(rng.randint(1, 3)):
        key = rng.choice(keys) + rng.choice(("", "", "", "", ".x", ".0", ".type", ".~x", ".after"))
        words.append(rng.choice((f"{key}={rng.choice(VALUES)}", f"{key}={rng.choice(VALUES)}", f"~{key}")))
    return Case("words", {"a.txt": b""}, rng.choice(("dreamfusion", "dreamgaussian")), words=tuple(words))


def make_method(rng: random.Random) -> Case:
    """A method file of ours, under a name of its own."""
    texts = _methods()[0]
    name = rng.choice([name for name in texts if name.startswith("methods/")])
    words = ("prompt=x", "image=a.png") if rng.random() < 0.8 else ()
    return Case(
        "method",
        {"m.yaml": texts[name].encode(), "a.png": encode(Image.new("RGBA", (8, 8)), "PNG")},
        "m.yaml",
        words=words,
    )


def break_method(case: Case, rng: random.Random) -> Case:
    """A method file with a line whose value is nonsense."""
    lines = case.files["m.yaml"].decode().split("\n")
    keys = ("extends", "defaults", "when", "groups", "variables", "prior", "stages", "name", "for")
    for _ in range(rng.randint(1, 3)):
        place = rng.randrange(len(lines))
        value = rng.choice(
            (*VALUES, "dreamfusion", "[dreamfusion, sjc]", "{prior=nano: {stages: {nerf: null}}}", "m.yaml")
        )
        if ":" in lines[place] and rng.random() < 0.6:
            lines[place] = f"{lines[place].split(':')[0]}: {value}"
        else:
            lines.insert(place, f"{rng.choice(keys)}: {value}")
    return Case("method", {**case.files, "m.yaml": "\n".join(lines).encode()}, "m.yaml", words=case.words)


@cache
def _run_config() -> bytes:
    from maquette.config.loading import load_method

    return load_method("dreamfusion", ["prompt=a red mug"]).to_yaml().encode()


def make_run(rng: random.Random) -> Case:
    """The folder of a run that was interrupted, or of one that ended."""
    from maquette.config.loading import load_method

    finished = rng.choice(([], ["nerf"]))
    state = {"finished": finished, "config": load_method("dreamfusion", ["prompt=a red mug"]).plain}
    place = "checkpoints/nerf/step-00000005/"
    checkpoint = {
        place + f"{name}.safetensors": save({"a": torch.ones(2)}) for name in ("model", "optimizer", "random")
    }
    files = {
        "config.yaml": _run_config(), "state.json": json.dumps(state, default=str).encode(), "export/mesh.obj": b"",
        "manifest.json": json.dumps({"python": "3.11", "stages": {}, "device": "cpu"}).encode(),
        "metrics.jsonl": b'{"stage": "nerf", "step": 0, "loss/sds": 1.0}\n' * 3, **checkpoint,
        place + "state.json": b'{"step": 5, "optimizer": {}, "random": {}, "extra": {"step": 5}}',
    }  # fmt: skip
    return Case("run", files, expected={"prompt": "a red mug", "resumable": True})
