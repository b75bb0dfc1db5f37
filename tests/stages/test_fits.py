"""Which parts go together at their default settings."""

from __future__ import annotations

import json

from maquette import registry
from maquette.config.fits import TABLE, fitting_parts
from maquette.config.parts import part
from maquette.stages.fits import as_text, fits, table


def test_the_table_is_what_the_rules_say():
    assert TABLE.read_text() == as_text(table()), "write it anew: python -m maquette.stages.fits"


def test_fits_are_mutual():
    tables = json.loads(TABLE.read_text())
    for kind, parts in tables.items():
        for name, others in parts.items():
            for other, names in others.items():
                for partner in names:
                    back = tables[other][partner].get(kind)
                    assert back is None or name in back, (kind, name, other, partner)


def test_a_renderer_of_splats_takes_gaussians_only():
    assert fits(part("renderer", "splat"))["geometry"] == ["gaussians"]


def test_a_material_of_latents_goes_with_backgrounds_that_can_have_its_channels():
    assert fits(part("material", "latent"))["background"] == ["learned", "textured"]


def test_every_built_in_part_of_the_kinds_with_rules_is_in_the_table():
    for kind in ("geometry", "material", "background", "renderer", "prior", "score", "objective", "loss", "data"):
        names = [name for name in registry.names(kind) if registry.source(kind, name) == "maquette"]
        assert all(fitting_parts(kind, name) is not None for name in names)


def test_a_part_that_the_table_lacks_has_no_fits():
    assert fitting_parts("loss", "somebody's") is None and fitting_parts("metric", "janus") is None
