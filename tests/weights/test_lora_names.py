"""What a tensor of a LoRA file is, by the name that each program gives it."""

import pytest

from maquette.weights.lora_names import OTHER_KINDS, other_kind, plain_layer, role_of

QUERY = "down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
DOTTED = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"


@pytest.mark.parametrize(
    ("name", "factor", "program"),
    [
        (f"lora_unet_{QUERY}.lora_down.weight", "down", "kohya"),
        (f"lora_unet_{QUERY}.lora_up.weight", "up", "kohya"),
        (f"lycoris_{QUERY}.lora_mid.weight", "mid", "kohya"),
        (f"lora_unet_{QUERY}.alpha", "alpha", "kohya"),
        (f"unet.{DOTTED}.lora_A.weight", "down", "diffusers"),
        (f"unet.{DOTTED}.lora_B.default.weight", "up", "diffusers"),
        (f"unet.{DOTTED}.lora.up.weight", "up", "diffusers"),
        (
            f"unet.{DOTTED.replace('.to_q', '.processor.to_q')}_lora.down.weight",
            "down",
            "diffusers' attention processors",
        ),
        (f"base_model.model.{DOTTED}.lora_A.weight", "down", "peft"),
    ],
)
def test_each_programs_name_is_the_same_layer(name, factor, program):
    role = role_of(name)
    assert (role.part, role.layer, role.factor, role.program) == ("unet", QUERY, factor, program)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_up.weight", "text_encoder"),
        ("lora_te2_text_model_encoder_layers_0_self_attn_q_proj.lora_up.weight", "text_encoder_2"),
        ("text_encoder.text_model.encoder.layers.0.self_attn.to_q_lora.up.weight", "text_encoder"),
        ("base_model.model.text_model.encoder.layers.0.self_attn.q_proj.lora_B.weight", "text_encoder"),
    ],
)
def test_layers_of_text_encoders_are_named_as_transformers_does(name, part):
    role = role_of(name)
    assert (role.part, role.layer) == (part, "encoder_layers_0_self_attn_q_proj")


def test_a_name_without_a_prefix_is_for_the_text_encoder_that_is_asked_for():
    name = "base_model.model.text_model.encoder.layers.0.mlp.fc1.lora_A.weight"
    assert role_of(name, "text_encoder_2").part == "text_encoder_2"


def test_what_is_no_lora_has_no_role():
    assert role_of("down_blocks.0.resnets.0.conv1.weight") is None and role_of("") is None


def test_the_first_linear_layer_of_an_output_is_the_output():
    assert plain_layer("attn1.to_out.0") == plain_layer("attn1.to_out") == plain_layer("attn1.processor.to_out")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.hada_w1_a", "a LoHa"), ("a.lokr_w1", "a LoKr"), ("a.dora_scale", "a DoRA"), ("a.oft_diag", "an OFT"),
        ("a.diff", "a difference of whole weights"), ("unet:0:up", "a LoRA of the first scripts (cloneofsimo)"),
    ],
)  # fmt: skip
def test_other_kinds_are_known_by_their_names(name, kind):
    assert kind in OTHER_KINDS and other_kind(["b.lora_A.weight", name]) == (kind, [name])
    assert other_kind(["b.lora_A.weight", "b.alpha"]) is None
