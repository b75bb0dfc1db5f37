"""A small world and a small generator with random weights, for tests of what is made of them."""

from __future__ import annotations

from pathlib import Path

import torch

from maquette.landscapes import WorldConfig
from maquette.landscapes.generator import Generator, GeneratorSizes

WORLD = WorldConfig(size=64, scale=0.125, levels=128, tree_scale=0.3, tree_density=0.3, unbounded=True, relief=True)
SIZES = GeneratorSizes(
    levels=3, features_per_level=2, log2_table_size=10, base_resolution=4, finest_resolution=32, code_base_resolution=2,
    code_finest_resolution=4, hidden=16, features=8, style=4, style_hidden=16, style_layers=2, sky_frequencies=2,
    sky_hidden=16, decoder_hidden=8, encoder_width=4, encoder_blocks=2, style_side=16, style_filters=4, samples=4,
    sample_depth=2.0, padding=4,
)  # fmt: skip


def small_generator() -> Generator:
    """Random weights, with ground that is partly dense and differs from place to place."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        generator = Generator(SIZES).eval().requires_grad_(False)
        torch.nn.init.uniform_(generator.field.table, -1, 1)
        torch.nn.init.normal_(generator.style_network.last.weight)
        torch.nn.init.constant_(generator.field.density.bias, 2.0)
    return generator


def saved_generator(folder: Path) -> str:
    """The same as a folder of weights; its path."""
    small_generator().save(folder)
    return str(folder)
