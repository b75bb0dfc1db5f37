"""Composition: groups, conditions, overrides and where values come from."""

import pytest

from maquette.config import load_method
from maquette.config.schedules import Schedule
from maquette.errors import ConfigError

BASE = """
defaults: {prior: plain}
prompt: a mug
variables: {size: 16}
stages:
  nerf:
    type: optimise
    steps: 100
    cameras: {type: random-orbit, size: "${variables.size}"}
    geometry: {type: hash-grid, levels: 2}
    material: plain
    background: solid
    renderer: volume
    losses: {opacity: {weight: 1e-3}}
when:
  prior=fancy: {stages: {nerf: {steps: 200}}}
"""
GUIDANCE = "{prior: '${prior}', score: cfg, objective: sds}"


@pytest.fixture
def method(tmp_path, monkeypatch):
    monkeypatch.setattr("maquette.config.paths.config_roots", lambda: [tmp_path])
    (tmp_path / "priors").mkdir()
    (tmp_path / "priors" / "plain.yaml").write_text("prior: {type: stable-diffusion, path: org/plain}\n")
    (tmp_path / "priors" / "fancy.yaml").write_text(
        "prior: {type: stable-diffusion, path: org/fancy}\nvariables: {size: 64}\n"
    )
    path = tmp_path / "method.yaml"
    path.write_text(BASE)
    return str(path)


def test_interpolation_and_numbers(method):
    config = load_method(method).method.stages["nerf"].config
    assert config.cameras.config.size == Schedule.constant(16)
    assert config.losses["opacity"].config.weight(0, 1) == 1e-3


def test_a_group_swaps_as_a_whole_and_its_conditions_apply(method):
    resolved = load_method(method, ["prior=fancy"])
    config = resolved.method.stages["nerf"].config
    assert resolved.method.prior["path"] == "org/fancy"
    assert (config.steps, config.cameras.config.size) == (200, Schedule.constant(64))
    assert resolved.groups == {"prior": "fancy"}


def test_overrides_win(method):
    resolved = load_method(method, ["prior=fancy", "stages.nerf.steps=7", "prior.path=org/mine"])
    assert resolved.method.stages["nerf"].config.steps == 7 and resolved.method.prior["path"] == "org/mine"


def test_another_type_replaces_the_part(method):
    resolved = load_method(method, ["stages.nerf.geometry={type: voxel-grid, resolution: 8}"])
    assert resolved.method.stages["nerf"].config.geometry.name == "voxel-grid"


def test_a_part_given_by_name_can_be_refined(method):
    resolved = load_method(method, ["stages.nerf.renderer.samples=12"])
    assert resolved.method.stages["nerf"].config.renderer.config.samples == 12


def test_origins_tell_file_and_line(method):
    resolved = load_method(method, ["seed=4"])
    assert resolved.origin("stages.nerf.steps").line == 8
    assert "override" in resolved.origin("seed").text and resolved.origin("output").text == "default"


def test_an_unknown_group_choice_names_the_known(method):
    with pytest.raises(ConfigError, match="did you mean 'fancy'"):
        load_method(method, ["prior=fancyy"])


def test_a_repeated_key_is_refused(method, tmp_path):
    (tmp_path / "twice.yaml").write_text("seed: 1\nseed: 2\nstages: {}\n")
    with pytest.raises(ConfigError, match="stands twice"):
        load_method(str(tmp_path / "twice.yaml"))


def test_yes_and_no_are_words_and_1e3_is_a_number(tmp_path):
    from maquette.config.origins import load_yaml

    (tmp_path / "words.yaml").write_text("a: yes\nb: off\nc: 1e3\nd: 2026-01-01\ne: true\n")
    assert load_yaml(tmp_path / "words.yaml")[0] == {"a": "yes", "b": "off", "c": 1000.0, "d": "2026-01-01", "e": True}


def test_a_merge_key_takes_in_another_mapping(tmp_path):
    from maquette.config.origins import load_yaml

    text = "base: &base {a: 1, b: 2}\nmore: &more {b: 3, c: 4}\nboth:\n  b: 5\n  <<: [*base, *more]\n"
    text += "one: {<<: *more, c: 6}\n"
    (tmp_path / "merged.yaml").write_text(text)
    data, origins = load_yaml(tmp_path / "merged.yaml")
    assert data["both"] == {"a": 1, "b": 5, "c": 4} and data["one"] == {"b": 3, "c": 6}
    assert origins["both.b"].line == 4 and origins["both.a"].line == 1
    (tmp_path / "wrong.yaml").write_text("a: {<<: 3}\n")
    with pytest.raises(ConfigError, match="takes in a mapping"):
        load_yaml(tmp_path / "wrong.yaml")


def test_a_condition_may_name_several_choices(method, tmp_path):
    text = (tmp_path / "method.yaml").read_text().replace("prior=fancy:", "prior=plain,fancy:")
    (tmp_path / "either.yaml").write_text(text)
    steps = [
        load_method(str(tmp_path / "either.yaml"), words).method.stages["nerf"].config.steps
        for words in ([], ["prior=fancy"])
    ]
    assert steps == [200, 200]


def test_settings_over_a_part_that_is_only_named_are_that_parts(method, tmp_path):
    (tmp_path / "method.yaml").write_text(BASE.replace("{steps: 200}", "{renderer: {samples: 7}}"))
    stage = load_method(method, ["prior=fancy"]).method.stages["nerf"].config
    assert (stage.renderer.name, stage.renderer.config.samples) == ("volume", 7)


def test_a_stage_that_is_not_there_cannot_be_set():
    with pytest.raises(ConfigError, match=r"stages.nref.steps: .* no such stage; did you mean 'nerf'\? known: nerf, "):
        load_method("dreamfusion", ["prompt=x", "stages.nref.steps=2"])
    added = load_method("dreamfusion", ["prompt=x", "stages.again={type: export}"])
    assert list(added.method.stages)[-1] == "again"


def test_a_misspelt_key_is_named_beside_the_one_that_is_missing():
    with pytest.raises(ConfigError, match=r"image: missing value.*'imge' is no key of a method"):
        load_method("zero123", ["imge=x.png"])


def test_a_variable_that_is_not_there_cannot_be_set(method):
    assert load_method(method, ["variables.size=8"]).method.variables == {"size": 8}
    with pytest.raises(ConfigError, match=r"variables.sise: this method has no such variable; known: variables.size"):
        load_method(method, ["variables.sise=8"])


def test_a_method_extends_another(method, tmp_path):
    (tmp_path / "methods").mkdir()
    (tmp_path / "method.yaml").rename(tmp_path / "methods" / "base.yaml")
    (tmp_path / "methods" / "longer.yaml").write_text("extends: base\nstages: {nerf: {steps: 300}}\n")
    config = load_method("longer")
    nerf = config.method.stages["nerf"].config
    assert (config.method.name, nerf.steps, nerf.cameras.name) == ("longer", 300, "random-orbit")
    assert config.origin("stages.nerf.steps").file.endswith("longer.yaml")
    assert config.origin("stages.nerf.material").file.endswith("base.yaml")
    assert load_method("longer", ["prior=fancy"]).method.stages["nerf"].config.steps == 300


def test_methods_that_extend_each_other_are_refused(method, tmp_path):
    (tmp_path / "methods").mkdir()
    for name, other in (("one", "two"), ("two", "one")):
        (tmp_path / "methods" / f"{name}.yaml").write_text(f"extends: {other}\n")
    with pytest.raises(ConfigError, match="in a circle"):
        load_method("one")


@pytest.fixture
def laptop(method, tmp_path):
    """The method as `base` under `methods/`, with a laptop file for prior=fancy beside it."""
    for folder in ("methods", "laptop"):
        (tmp_path / folder).mkdir()
    (tmp_path / "method.yaml").rename(tmp_path / "methods" / "base.yaml")
    path = tmp_path / "laptop" / "base.yaml"
    path.write_text("for: {prior: fancy}\nstages:\n  nerf: {steps: 20, geometry: {levels: 3}}\n")
    return path


def test_a_laptop_file_applies_with_the_choices_it_is_for(laptop):
    assert load_method("base").method.stages["nerf"].config.steps == 100
    chosen = load_method("base", ["prior=fancy"])
    assert chosen.method.stages["nerf"].config.geometry.config.levels == 3
    assert chosen.origin("stages.nerf.geometry.levels").text == f"{laptop}:3"
    laptop.write_text(laptop.read_text().replace("fancy", "[other, plain]"))
    assert load_method("base").method.stages["nerf"].config.steps == 20


def test_a_methods_own_conditions_win_over_its_laptop_file(laptop):
    assert load_method("base", ["prior=fancy"]).method.stages["nerf"].config.steps == 200


def test_a_laptop_file_is_found_beside_any_file(laptop, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path / "methods")
    resolved = load_method("base.yaml", ["prior=fancy"])
    assert resolved.method.stages["nerf"].config.geometry.config.levels == 3


def test_a_files_keys_win_over_all_that_it_extends(laptop, tmp_path):
    (tmp_path / "methods" / "longer.yaml").write_text(
        "extends: base\nvariables: {size: 8}\nstages: {nerf: {steps: 300, geometry: {levels: 4}}}\n"
    )
    config = load_method("longer", ["prior=fancy"])
    nerf = config.method.stages["nerf"].config
    assert (nerf.steps, nerf.geometry.config.levels, nerf.cameras.config.size) == (300, 4, Schedule.constant(8))
    assert config.origin("stages.nerf.steps").file.endswith("longer.yaml")
    (tmp_path / "laptop" / "longer.yaml").write_text("for: {prior: fancy}\nstages: {nerf: {steps: 30}}\n")
    assert load_method("longer", ["prior=fancy"]).method.stages["nerf"].config.steps == 30


def test_a_resolved_config_takes_no_laptop_file(laptop, tmp_path):
    text = load_method("base", ["prior=fancy", "stages.nerf.steps=7"]).to_yaml()
    (tmp_path / "methods" / "base.yaml").write_text(text)
    again = load_method("base")
    assert again.method.stages["nerf"].config.steps == 7 and again.groups == {"prior": "fancy"}


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("", r"for: a laptop file says what choices of a group it is for"),
        ("for: {priro: fancy}\n", r"for.priro: not a condition on a group .*laptop.base.yaml:1.*known: prior=\.\.\."),
        ("for: {prior: fancy}\nstagse: {}\n", r"stagse: unknown key .*laptop.base.yaml:2.*did you mean 'stages'"),
    ],
)
def test_a_wrong_laptop_file_is_refused(laptop, head, message):
    laptop.write_text(head + laptop.read_text().partition("\n")[2])
    with pytest.raises(ConfigError, match=message):
        load_method("base", ["prior=fancy"])


def test_a_replaced_part_takes_its_origins_along(method, tmp_path):
    (tmp_path / "other.yaml").write_text(f"extends: {method}\nstages: {{nerf: {{geometry: {{type: tensorf}}}}}}\n")
    resolved = load_method(str(tmp_path / "other.yaml"))
    assert resolved.origin("stages.nerf.geometry.levels").text == "default"
    assert resolved.origin("stages.nerf.geometry.type").file.endswith("other.yaml")


def test_what_is_interpolated_keeps_its_origin(method, tmp_path):
    (tmp_path / "guided.yaml").write_text(f"extends: {method}\nstages: {{nerf: {{guidance: {{sds: {GUIDANCE}}}}}}}\n")
    resolved = load_method(str(tmp_path / "guided.yaml"), ["prior.size=64"])
    prior = "stages.nerf.guidance.sds.prior"
    assert resolved.origin(f"{prior}.path").text == f"{tmp_path / 'priors' / 'plain.yaml'}:1"
    assert "override" in resolved.origin(f"{prior}.size").text
    assert resolved.origin("stages.nerf.renderer.type").line == 13  # `renderer: volume` names the type
