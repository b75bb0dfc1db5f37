"""The method language: which key wins, what is taken out and where a stage stands, what a reference brings."""

from pathlib import Path

import pytest

from maquette.config import load_method
from maquette.config.schedules import Schedule
from maquette.errors import ConfigError

STAGE = """
    type: optimise
    steps: 100
    cameras: {type: random-orbit, size: 16}
    geometry: {type: hash-grid, levels: 2}
    material: plain
    background: solid
    renderer: volume
    losses: {opacity: {weight: 1e-3}, entropy: {weight: 1e-3}}
"""
GUIDED = "    guidance: {sds: {prior: '${prior}', score: cfg, objective: sds}}\n"
BASE = f"""
defaults: {{prior: plain}}
prompt: a mug
stages:
  nerf:{STAGE}{GUIDED}  export: {{type: export, exporters: {{contact-sheet: {{}}}}}}
when:
  prior=fancy: {{stages: {{nerf: {{steps: 200}}}}}}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Config folders with a method `base`, its laptop file for the prior `fancy`, and two priors."""
    monkeypatch.setattr("maquette.config.paths.config_roots", lambda: [tmp_path])
    monkeypatch.chdir(tmp_path)
    for name in ("methods", "laptop", "priors", "mine"):
        (tmp_path / name).mkdir()
    for name in ("plain", "fancy"):
        (tmp_path / "priors" / f"{name}.yaml").write_text(f"prior: {{type: stable-diffusion, path: org/{name}}}\n")
    (tmp_path / "methods" / "base.yaml").write_text(BASE)
    (tmp_path / "laptop" / "base.yaml").write_text("for: {prior: fancy}\nstages: {nerf: {geometry: {levels: 3}}}\n")
    return tmp_path


def load(folder: Path, text: str, *words: str):
    path = folder / "mine" / "method.yaml"
    path.write_text(text)
    return load_method(str(path), list(words))


def test_keys_win_over_the_laptop_file_and_the_conditions_of_a_base(folder):
    text = "extends: base\nstages: {nerf: {steps: 8, geometry: {levels: 4}}}\n"
    nerf = load(folder, text, "prior=fancy").method.stages["nerf"].config
    assert (nerf.steps, nerf.geometry.config.levels) == (8, 4)
    with pytest.raises(ConfigError, match=r"stages\.nerf\.steps: expected a whole number.*mine/method\.yaml:2"):
        load(folder, "extends: base\nstages: {nerf: {steps: many}}\n", "prior=fancy")


def test_several_bases_are_merged_in_order_and_each_once(folder):
    (folder / "mine" / "long.yaml").write_text("extends: base\nseed: 1\nstages: {nerf: {steps: 300}}\n")
    (folder / "mine" / "seeded.yaml").write_text("extends: base\nseed: 2\n")
    method = load(folder, "extends: [long.yaml, ./seeded.yaml]\nprompt: a cup\n").method
    assert (method.seed, method.stages["nerf"].config.steps, method.prompt) == (2, 300, "a cup")


def test_a_base_is_looked_for_beside_the_file_from_any_folder(folder, monkeypatch, tmp_path_factory):
    (folder / "mine" / "other.yaml").write_text("extends: base\nseed: 5\n")
    path = folder / "mine" / "method.yaml"
    for name in ("other.yaml", "./other.yaml", "../mine/other.yaml", "other", str(folder / "mine" / "other.yaml")):
        path.write_text(f"extends: {name}\n")
        monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
        assert load_method(str(path)).method.seed == 5
    path.write_text("extends: nowhere.yaml\n")
    with pytest.raises(ConfigError, match=r"^extends: there is no such file: nowhere\.yaml \(.*method\.yaml:1\)"):
        load_method(str(path))


def test_a_file_that_extends_itself_by_another_spelling_is_a_circle(folder):
    with pytest.raises(ConfigError, match="in a circle"):
        load(folder, "extends: ../mine/method.yaml\n")


@pytest.mark.parametrize("text", ["~losses.opacity:", "losses: {~opacity: }", "'~losses.opacity': null"])
def test_a_file_takes_a_part_out(folder, text):
    nerf = load(folder, f"extends: base\nstages: {{nerf: {{{text} }}}}\n").method.stages["nerf"].config
    assert list(nerf.losses) == ["entropy"]


def test_a_file_takes_a_stage_out_and_replaces_a_mapping(folder):
    text = "extends: base\n~stages.export:\nstages: {nerf: {~losses: , losses: {mask: {}}}}\n"
    with pytest.raises(ConfigError, match="mask"):  # it compares with data, which the stage has none of
        load(folder, text)
    stages = load(folder, text.replace("mask", "orientation")).method.stages
    assert list(stages) == ["nerf"] and list(stages["nerf"].config.losses) == ["orientation"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "~stages.exprot:",
            r"^~stages\.exprot: there is nothing to remove \(.*method\.yaml:2\); known here: nerf, export",
        ),
        ("~seed: 3", r"^~seed: a key to take out has no value \(.*method\.yaml:2\)"),
        ("stages: {nerf: {~losses.mask: }}", r"stages\.nerf\.~losses\.mask: there is nothing to remove .*opacity"),
    ],
)
def test_what_is_not_there_cannot_be_taken_out(folder, text, message):
    with pytest.raises(ConfigError, match=message):
        load(folder, f"extends: base\n{text}\n")


def test_a_key_to_take_out_needs_something_below(folder):
    with pytest.raises(ConfigError, match="there is nothing to remove"):
        load(folder, f"prompt: x\nstages:\n  nerf:{STAGE}    ~seed:\n")


def stage(text: str = "") -> str:
    return f"stages:\n  fine: {{type: optimise, {text} start: previous, geometry: dmtet, material: plain, " \
        "background: solid, renderer: mesh, cameras: random-orbit, losses: {laplacian: {}}}\n"  # fmt: skip


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("", ["nerf", "fine", "export"]),  # never behind the export by itself
        ("after: nerf,", ["nerf", "fine", "export"]),
        ("after: export,", ["nerf", "export", "fine"]),
        ("before: nerf,", ["fine", "nerf", "export"]),
    ],
)
def test_an_added_stage_has_its_place(folder, text, order):
    assert list(load(folder, "extends: base\n" + stage(text)).method.stages) == order


def test_a_stage_of_the_base_is_moved_and_one_of_the_command_line_placed(folder):
    assert list(load(folder, "extends: base\nstages: {nerf: {after: export}}\n").method.stages) == ["export", "nerf"]
    words = ["stages.again={type: export}", "stages.more={type: export, before: export}"]
    assert list(load(folder, "extends: base\n", *words).method.stages) == ["nerf", "more", "export", "again"]
    placed = load(folder, "extends: base\n" + stage(), "stages.fine.after=export")
    assert list(placed.method.stages) == ["nerf", "export", "fine"]


def test_a_place_that_does_not_exist_is_refused(folder):
    with pytest.raises(ConfigError, match=r"stages\.fine\.after: there is no other stage 'nref' .*did you mean 'nerf'"):
        load(folder, "extends: base\n" + stage("after: nref,"))
    with pytest.raises(ConfigError, match="give one of after and before"):
        load(folder, "extends: base\n" + stage("after: nerf, before: export,"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("when: {prior=fncy: {seed: 1}}", r"^when\.prior=fncy: there is no prior called 'fncy' .*did you mean 'fancy'"),
        ("when: {'prior=plain,fncy': {seed: 1}}", r"there is no prior called 'fncy'"),
        ("when: {priro=plain: {seed: 1}}", r"not a condition on a group"),
        ("when: [a]", r"^when: when is a mapping of condition to settings"),
        ("when: {prior=plain: 3}", r"^when\.prior=plain: when is a mapping"),
        ("defaults: [prior]", r"^defaults: defaults is a mapping of group to file, such as \{prior: sd15\} .*yaml:2"),
        ("defaults: {prior: 3}", r"^defaults\.prior: defaults is a mapping"),
        ("defaults: {prior: }", r"^defaults\.prior: defaults is a mapping"),
        ("groups: [a]", r"^groups: groups is a mapping"),
        ("extends: {a: b}", r"stands twice"),
        ("stages: [nerf]", r"^stages: expected a mapping of names to values"),
        ("variables: [1]", r"^variables: expected a mapping"),
    ],
)
def test_a_malformed_directive_is_one_line(folder, text, message):
    with pytest.raises(ConfigError, match=message):
        load(folder, f"extends: base\n{text}\n")


def test_a_list_of_bases_holds_names(folder):
    with pytest.raises(ConfigError, match="extends names a method, a file, or a list of them"):
        load(folder, "extends: [3]\n")


PRIOR = "stages.nerf.guidance.sds.prior"


def prior(resolved):
    return resolved.method.stages["nerf"].config.guidance["sds"].prior.config


def test_a_setting_refines_what_a_reference_brings(folder):
    resolved = load(folder, "extends: base\n", f"{PRIOR}.size=64", "prior.dtype=float16")
    assert (prior(resolved).path, prior(resolved).size, prior(resolved).dtype) == ("org/plain", 64, "float16")
    assert "override" in resolved.origin(f"{PRIOR}.size").text
    assert resolved.origin(f"{PRIOR}.path").text == "priors/plain.yaml:1"
    assert resolved.origin(f"{PRIOR}.dtype").text == "override 'prior.dtype=...'"


def test_a_file_refines_a_reference_too(folder):
    text = "extends: base\nstages: {nerf: {guidance: {sds: {prior: {size: 32}}}}}\n"
    resolved = load(folder, text, "prior=fancy")
    assert (prior(resolved).path, prior(resolved).size) == ("org/fancy", 32)
    assert resolved.origin(f"{PRIOR}.size").text == "mine/method.yaml:2"
    assert resolved.origin(f"{PRIOR}.path").text == "priors/fancy.yaml:1"
    replaced = load(folder, text.replace("{size: 32}", "{type: stable-diffusion, path: org/own}"))
    assert (prior(replaced).path, prior(replaced).size) == ("org/own", 0)


def test_a_choice_replaces_the_prior_that_a_file_wrote(folder):
    text = "extends: base\nprior: {path: org/mine}\n"
    assert prior(load(folder, text)).path == "org/mine"
    assert prior(load(folder, text, "prior=fancy")).path == "org/fancy"
    assert (
        prior(load(folder, "defaults: {prior: plain}\n" + BASE.replace("defaults: {prior: plain}", text[14:]))).path
        == "org/mine"
    )


def test_a_mapping_of_the_command_line_is_merged_and_replaces_after_a_removal(folder):
    losses = "stages.nerf.losses={orientation: {weight: 2}}"
    merged = load(folder, "extends: base\n", losses).method.stages["nerf"].config.losses
    assert list(merged) == ["opacity", "entropy", "orientation"]
    replaced = load(folder, "extends: base\n", "~stages.nerf.losses", losses).method.stages["nerf"].config.losses
    assert list(replaced) == ["orientation"] and replaced["orientation"].config.weight == Schedule.constant(2)
    refined = load(folder, "extends: base\n", "stages.nerf.renderer={samples: 7}").method.stages["nerf"].config.renderer
    assert (refined.name, refined.config.samples) == ("volume", 7)


def test_a_replaced_part_of_the_command_line_takes_its_origins_along(folder):
    resolved = load(folder, "extends: base\n", "stages.nerf.geometry={type: tensorf}")
    assert resolved.origin("stages.nerf.geometry.levels").text == "default"


def test_values_of_a_list_are_set_by_their_place(folder):
    resolved = load(
        folder, "extends: base\n", "stages.nerf.cameras.distance=[1, 2]", "stages.nerf.cameras.distance.1=3"
    )
    assert resolved.method.stages["nerf"].config.cameras.config.distance == (1, 3)
    with pytest.raises(ConfigError, match=r"'2' is not a place in a list of 2"):
        load(folder, "extends: base\n", "stages.nerf.cameras.distance=[1, 2]", "stages.nerf.cameras.distance.2=3")


def test_a_setting_that_would_not_reach_the_stages_of_a_run_is_refused(folder):
    (folder / "config.yaml").write_text(load(folder, "extends: base\n").to_yaml())
    again = load_method(str(folder / "config.yaml"), ["seed=3", f"{PRIOR}.path=org/new"])
    assert again.method.seed == 3 and prior(again).path == "org/new"
    for word in ("prior=fancy", "prior.path=org/new", "variables.x=1"):
        with pytest.raises(ConfigError, match=r"what was \$\{\w+\} is written out in each stage"):
            load_method(str(folder / "config.yaml"), [word])


def test_references_lead_to_values_of_any_kind_and_to_their_lines(folder):
    text = BASE.replace(
        "prompt: a mug", "prompt: a ${variables.colour} mug\nvariables: {colour: red, n: 3, m: '${variables.n}'}"
    )
    text = text.replace("levels: 2", "levels: '${variables.m}'")
    resolved = load(folder, text)
    assert resolved.method.prompt == "a red mug"
    assert resolved.method.stages["nerf"].config.geometry.config.levels == 3
    levels = resolved.origin("stages.nerf.geometry.levels")
    assert levels.line == 10 and levels.text.endswith(":10 from mine/method.yaml:4 from mine/method.yaml:4")


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("${nowhere}", r"^prompt: Interpolation key 'nowhere' not found \(mine/method\.yaml:2\)"),
        ("${HOME}/x", r"an environment variable in a path is written \$HOME"),
        ("${", r"^prompt: '\$\{' begins a reference that does not end"),
        ("a ${stages} b", r"is no text that could stand within a text"),
        ("${prompt}", r"circle"),
        ("${a[0]}", r"no reference to a key"),
        ("${oc.env:HOME}", r"no reference to a key"),
    ],
)
def test_a_reference_that_leads_nowhere_is_one_line_with_its_place(folder, prompt, message):
    with pytest.raises(ConfigError, match=message):
        load(folder, f"extends: base\nprompt: '{prompt}'\n")


def test_references_that_explode_are_refused(folder, monkeypatch):
    monkeypatch.setattr("maquette.config.references.MOST_VALUES", 2000)  # sooner than a user's
    variables = ", ".join(f"v{i}: '${{variables.v{i + 1}}}${{variables.v{i + 1}}}'" for i in range(40))
    with pytest.raises(ConfigError, match="expand to more than"):
        load(folder, f"extends: base\nvariables: {{{variables}, v40: x}}\n")


def test_a_required_value_anywhere_is_asked_for(folder):
    text = "extends: base\nvariables:\n  size: ???\n"
    with pytest.raises(ConfigError, match=r"^variables\.size: missing value \(mine/method\.yaml:3\); give it on the"):
        load(folder, text)
    assert load(folder, text, "variables.size=3").method.variables == {"size": 3}
