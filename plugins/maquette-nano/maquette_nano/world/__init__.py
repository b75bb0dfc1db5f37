"""The nano world: procedural, textured, captioned objects with exactly known geometry."""

from maquette_nano.world.captions import all_test_captions, split_of, test_prompts, view_word, words
from maquette_nano.world.objects import BOUND, NanoObject, make_object, sample_attributes, sample_object
from maquette_nano.world.tracer import Render, orbit_c2w, render

__all__ = [
    "BOUND",
    "NanoObject",
    "Render",
    "all_test_captions",
    "make_object",
    "orbit_c2w",
    "render",
    "sample_attributes",
    "sample_object",
    "split_of",
    "test_prompts",
    "view_word",
    "words",
]
