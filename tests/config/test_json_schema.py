"""The JSON schema of config files, judged by the package jsonschema: what ships is valid, a misspelt key is not."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from maquette import plugins, registry
from maquette.bench.suites import Suite
from maquette.config.examples import example
from maquette.config.json_schema import method_schema
from maquette.config.origins import load_yaml
from project import ROOT

jsonschema = pytest.importorskip("jsonschema")
FILES = sorted([*ROOT.glob("configs/*/*.yaml"), *ROOT.glob("plugins/maquette-nano/*/configs/*/*.yaml")])
FILES = [path for path in FILES if path.parent.name != "examples"]  # facts for `maquette describe`, and no method


@pytest.fixture(scope="module")
def validator() -> Any:
    plugins.load()
    schema = method_schema(Suite)
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


def valid(validator: Any, text: str) -> bool:
    return validator.is_valid(yaml.safe_load(text))


def test_every_file_that_ships_is_valid(validator):
    problems = {str(path): list(validator.iter_errors(load_yaml(path)[0])) for path in FILES}
    assert len(FILES) > 60 and not {path: errors for path, errors in problems.items() if errors}


MISSPELT = {
    "a top-level key": "extends: dreamfusion\npromt: a mug",
    "a key of a stage": "stages: {nerf: {type: optimise, stpes: 3}}",
    "a key of a stage without type": "stages: {nerf: {stpes: 3}}",
    "the name of a part": "stages: {nerf: {renderer: volumne}}",
    "the type of a part": "stages: {nerf: {geometry: {type: hash-gird}}}",
    "an option of a part": "stages: {nerf: {geometry: {type: hash-grid, levles: 3}}}",
    "an option of another part": "stages: {nerf: {geometry: {type: hash-grid, move_vertices: true}}}",
    "an option of a part without type": "stages: {nerf: {geometry: {levles: 3}}}",
    "an option of a loss by its name": "stages: {nerf: {losses: {opacity: {wieght: 1.0}}}}",
    "a nested option": "stages: {nerf: {loop: {checkpoint_evry: 3}}}",
    "an option of a prior in a when block": "when: {prior=sd15: {prior: {type: stable-diffusion, dtpye: auto}}}",
    "an option of a guidance": "stages: {nerf: {guidance: {sds: {prioor: nano}}}}",
    "a key of a suite": "cases: [{prompt: a mug}]\nmethod: instant\nmetrcs: {janus: {reader: x}}",
    "a choice": "stages: {nerf: {loop: {precision: bf16}}}",
    "a number out of range": "stages: {nerf: {type: optimise, steps: 0}}",
    "a number of a schedule out of range": "stages: {nerf: {cameras: {type: random-orbit, widening: [[0, 2.0]]}}}",
    "a schedule": "stages: {nerf: {losses: {opacity: {weight: {type: cosin, from: 1, to: 0}}}}}",
    "text in the place of a number": "seed: one",
    "a list of the wrong length": "stages: {nerf: {cameras: {type: random-orbit, distance: [1.0]}}}",
}


@pytest.mark.parametrize("what", MISSPELT)
def test_what_is_misspelt_is_invalid(validator, what):
    assert not valid(validator, MISSPELT[what])


LEGAL = {
    "a reference": "stages: {nerf: {steps: '${variables.steps}', geometry: '${variables.shape}'}}",
    "a schedule in percent": "stages: {nerf: {losses: {opacity: {weight: [[0, 1.0], ['50%', 0.1]]}}}}",
    "an eased schedule": "stages: {nerf: {losses: {opacity: {weight: {type: cosine, from: 1.0, to: 0.1, end: 100%}}}}}",
    "a removal": "extends: dreamfusion\n~stages.export:\nstages: {nerf: {~losses.opacity: }}",
    "a stage that is placed": "stages: {refine: {after: nerf, type: optimise}}",
    "a loss by its name alone": "stages: {nerf: {losses: {opacity: }}}",
    "a loss of another type": "stages: {nerf: {losses: {second: {type: opacity, weight: 2}}}}",
    "a prompt that is a number": "prompt: 1984",
    "an option of a part that the file does not name": "stages: {nerf: {geometry: {levels: 6}}}",
}


def test_an_error_names_the_misspelt_key_where_a_name_alone_would_do_too(validator):
    """An editor shows the errors of the first of several forms, so that a mapping is the only one that it sees."""

    def innermost(error: Any) -> Any:
        return innermost(error.context[0]) if error.context else error

    for text, key in (("stages: {nerf: {stpes: 3}}", "stpes"), ("stages: {nerf: {geometry: {levles: 3}}}", "levles")):
        (error,) = validator.iter_errors(yaml.safe_load(text))
        assert repr(key) in innermost(error).message and "valid under" not in innermost(error).message


@pytest.mark.parametrize("what", LEGAL)
def test_what_the_language_allows_is_valid(validator, what):
    assert valid(validator, LEGAL[what])


@pytest.mark.parametrize("kind", registry.KINDS)
def test_the_example_of_every_part_is_valid(validator, kind):
    for name in registry.names(kind):
        problems = list(validator.iter_errors(yaml.safe_load(example(kind, name).text)))
        assert not problems, (name, problems)


def test_an_option_has_its_documentation_and_default(validator):
    option = validator.schema["definitions"]["geometry.hash-grid"]["properties"]["levels"]
    assert option["description"] == "resolutions of the encoding, L" and option["default"] == 16
