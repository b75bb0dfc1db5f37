"""Names of the tensors in LoRA files, as each program writes them.

kohya's scripts: `lora_unet_..._to_q.lora_down.weight`, `.lora_up.weight`, `.alpha`; for SDXL's UNet by the blocks of
the original layout, `lora_unet_input_blocks_4_1_...`; `lora_te_`, `lora_te1_`, `lora_te2_` for text encoders. LyCORIS:
the same with `lycoris_`, and `.lora_mid.weight` between the two of a convolution. diffusers in its three generations:
`unet....to_q.lora_A.weight`, `....to_q.lora.down.weight`, `....processor.to_q_lora.down.weight`. peft:
`base_model.model....to_q.lora_A.weight`, with `adapter_config.json` in the same folder. ComfyUI: the original layout
with dots, `diffusion_model.input_blocks.4.1....lora_A.weight`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

Part = Literal["unet", "text_encoder", "text_encoder_2"]
Factor = Literal["up", "down", "mid", "alpha"]
PARTS: tuple[Part, ...] = get_args(Part)
PEFT = "base_model.model."
PREFIXES: dict[str, tuple[Part, str]] = {
    "lora_unet_": ("unet", "kohya"), "lycoris_": ("unet", "kohya"), "unet.": ("unet", "diffusers"),
    "lora_te_": ("text_encoder", "kohya"), "lora_te1_": ("text_encoder", "kohya"),
    "text_encoder.": ("text_encoder", "diffusers"), "lora_te2_": ("text_encoder_2", "kohya"),
    "text_encoder_2.": ("text_encoder_2", "diffusers"), "model.diffusion_model.": ("unet", "comfyui"),
    "diffusion_model.": ("unet", "comfyui"),
}  # fmt: skip
"""Prefix of a name -> the part of the model, and the program that writes it."""
ROLE = re.compile(
    r"^(?P<layer>.+?)(?:\.lora_(?P<kohya>down|up|mid)\.weight|\.lora_(?P<peft>[AB])(?:\.[\w-]+)?\.weight"
    r"|(?:\.lora|_lora|\.lora_linear_layer)\.(?P<older>down|up)\.weight|\.(?P<alpha>alpha))$"
)
TEXT_LAYERS = re.compile(r"^(text_model\.|encoder\.(layers|block)\.|layers\.\d+\.(self_attn|mlp))")
"""Layers of a text encoder in names without a prefix that says so."""
OLD_TEXT_LAYERS = {"_to_q": "_q_proj", "_to_k": "_k_proj", "_to_v": "_v_proj", "_to_out_0": "_out_proj"}
"""Endings of diffusers' first names for the attention of text encoders -> those of transformers."""

OTHER_KINDS = {
    "a LoHa": r"\.hada_[wt][12]", "a LoKr": r"\.lokr_[wt]", "a DoRA": r"\.dora_scale$|\.lora_magnitude_vector",
    "an OFT": r"\.(b?oft_|oft_blocks|oft_diag)", "an (IA)3": r"\.on_input$|\.ia3_l",
    "a GLoRA": r"\.(a1|a2|b1|b2)\.weight$",
    "a VeRA": r"\.vera_(lambda|[AB])", "a difference of whole weights": r"\.diff(_b)?$|\.[wb]_norm$|\.set_weight$",
    "a LoRA with biases": r"\.lora_(B|up|down|A)(\.[\w-]+)?\.bias$", "a LoRA of embeddings": r"\.lora_embedding_[AB]",
    "a LoRA with whole layers (modules_to_save)": r"modules_to_save|\.base_layer\.|original_module",
    "a LoRA of the first scripts (cloneofsimo)": r"^\w+:\d+:(up|down)$",
}  # fmt: skip
"""Kinds of files that are computed differently -> what their names have."""
LEARNED_WORDS = "bundle_emb."
"""Prefix of textual inversions that kohya's scripts bundle with a LoRA."""


@dataclass(frozen=True)
class Role:
    """What a tensor of a LoRA file is.

    Args:
        part: of the model.
        layer: its layer, normalized by `plain_layer`.
        factor: which factor of the layer's addition.
        dotted: the layer as the file names it, for patterns in settings.
        program: that writes such names.
    """

    part: Part
    layer: str
    factor: Factor
    dotted: str
    program: str


def role_of(key: str, text_part: Part = "text_encoder") -> Role | None:
    """What a tensor is by its name; None: it is none of a LoRA.

    Args:
        text_part: the text encoder that names without a prefix are for, if they are for one.
    """
    name = key.removeprefix(PEFT)
    prefix = next((prefix for prefix in PREFIXES if name.startswith(prefix)), "")
    name = name.removeprefix(prefix)
    peft = key.startswith(PEFT) or name.startswith(PEFT)
    match = ROLE.match(name.removeprefix(PEFT))
    if match is None:
        return None
    dotted = match["layer"]
    part, program = PREFIXES.get(prefix, (text_part if TEXT_LAYERS.match(dotted) else "unet", "diffusers"))
    if match["older"] and ".processor." in dotted:
        program = "diffusers' attention processors"
    halves: dict[str | None, Factor] = {"A": "down", "B": "up", "down": "down", "up": "up", "mid": "mid"}
    factor = "alpha" if match["alpha"] else halves[match["kohya"] or match["peft"] or match["older"]]
    layer = plain_layer(dotted)
    if part != "unet":
        old = next((old for old in OLD_TEXT_LAYERS if layer.endswith(old)), "")
        layer = layer.removesuffix(old) + OLD_TEXT_LAYERS.get(old, "")
    return Role(part, layer, factor, dotted, "peft" if peft else program)


def plain_layer(layer: str) -> str:
    """A layer's name normalized across programs: kohya's has no dots, older diffusers' has a processor."""
    name = layer.replace(".processor.", ".").replace(".", "_").removeprefix("text_model_")
    return f"{name}_0" if name.endswith("_to_out") else name


def other_kind(keys: list[str]) -> tuple[str, list[str]] | None:
    """The kind of a file that is computed differently, and the names that show it; None: it is none of OTHER_KINDS."""
    for kind, pattern in OTHER_KINDS.items():
        if names := [key for key in keys if re.search(pattern, key)]:
            return kind, names
    return None
