"""The kit's own tools: what it compares, what it differentiates, what it reads of a source, how it begins a package."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from maquette import testing
from maquette.cli.messages import show_messages
from maquette.errors import ConfigError
from maquette.registry import KINDS
from maquette.testing import inputs
from maquette.testing.derivatives import check_finite_differences
from maquette.testing.documentation import check_documented
from maquette.testing.general import GENERAL
from maquette.testing.kinds import PLACES, procedure
from maquette.testing.running import outcomes_of
from maquette.testing.scaffold import EXAMPLES, write_package
from maquette.testing.traces import check_leaves_nothing
from maquette.testing.trial import Fault, Output, Slope, Trial, difference


def test_kinds_have_a_procedure_an_example_and_a_function_each():
    assert set(PLACES) == set(EXAMPLES) == set(KINDS)
    assert all(hasattr(testing, f"check_{kind}") for kind in KINDS)


def test_a_trial_names_the_first_difference():
    one = [Output("rgb", torch.zeros(3)), Output("faces", (1, 2))]
    assert difference(one, one) == ""
    assert difference(one, [Output("rgb", torch.zeros(3)), Output("faces", (1, 3))]) == "faces.1"
    assert difference(one, [Output("rgb", torch.full((3,), 1e-3)), one[1]]) == "rgb"
    assert difference(one, [Output("rgb", torch.full((3,), 1e-3)), one[1]], tolerance=1e-2) == ""
    assert difference([Output("rgb", torch.full((3,), torch.nan))], [Output("rgb", torch.full((3,), torch.nan))]) == ""


def test_documentation_names_the_settings_that_no_word_explains():
    class Part:
        """A part whose settings are half explained."""

        @dataclass(frozen=True)
        class Config:
            near: float = 0.1  # scene units
            plain: int = 0

    with pytest.raises(Fault, match=r"without a comment that says what they are: plain$"):
        check_documented(Trial("loss", "x", Part, None, procedure("loss"), Path(), {}))


def test_inputs_are_functions_of_their_seed():
    assert torch.equal(inputs.cameras(2, seed=1).c2w, inputs.cameras(2, seed=1).c2w)
    assert not torch.equal(inputs.cameras(2, seed=1).c2w, inputs.cameras(2, seed=2).c2w)


def test_settings_without_defaults_are_asked_for():
    with pytest.raises(ConfigError, match=r"it cannot|cannot be checked with its defaults.*example_config"):
        testing.check_prior("stable-diffusion")


@pytest.mark.parametrize("name", ["My-Loss", "my_loss", "-", "maquette"])
def test_scaffold_refuses_names_that_pip_or_python_would_not_take(name: str, tmp_path: Path):
    with pytest.raises(ConfigError, match="is no name of a package"):
        write_package(name, "loss", tmp_path)


@pytest.mark.parametrize("name", ["class", "random", "plugin"])
def test_scaffold_refuses_words_and_modules_of_python(name: str, tmp_path: Path):
    with pytest.raises(ConfigError, match="is a word of Python, or a module"):
        write_package(name, "loss", tmp_path)


def test_scaffold_overwrites_nothing(tmp_path: Path):
    write_package("my-loss", "loss", tmp_path)
    with pytest.raises(ConfigError, match="exists"):
        write_package("my-loss", "loss", tmp_path)


def test_appearance_shapes_levels_guidance_loss_terms_sources_loops_and_results_hold_the_procedures():
    places = {"appearance", "shapes", "levels", "guidance", "loss_terms", "sources", "loops", "results"}
    assert set(PLACES.values()) == places
    for kind in KINDS:
        rules = procedure(kind)
        checks = [one.name for one in (*GENERAL, *rules.checks)]
        assert len(set(checks)) == len(checks)
        assert set(rules.skips) <= set(checks) and 1 < rules.minimum <= len(checks) - len(rules.skips)


def test_running_names_each_check_before_it_runs(good):
    begun: list[str] = []
    for outcome in outcomes_of("loss", good("loss"), on_begin=begun.append):
        assert outcome.status == "skipped" or begun[-1] == outcome.check


def test_derivatives_are_compared_along_a_direction(good):
    def slopes(trial, part, dtype):
        leaf = torch.ones(3, dtype=dtype, requires_grad=True)
        return [Slope("x", leaf, lambda: (leaf**3).sum())]

    rules = replace(procedure("loss"), slopes=slopes, build=lambda trial: None)
    check_finite_differences(Trial("loss", "x", good("loss"), None, rules, Path(), {}))
    wrong = replace(rules, slopes=lambda *rest: [replace(one, function=half(one.function)) for one in slopes(*rest)])
    with pytest.raises(Fault, match=r"the gradient to x is -?\d"):
        check_finite_differences(Trial("loss", "x", good("loss"), None, wrong, Path(), {}))


def half(function):
    return lambda: 0.5 * function() + 0.5 * function().detach()


def test_traces_of_a_part_that_writes_files_are_named(good, tmp_path):
    def use(trial, part, situation):
        Path("left.txt").write_text("x")
        return [Output("term", torch.zeros(()))]

    rules = replace(procedure("loss"), use=use, build=lambda trial: None)
    with pytest.raises(Fault, match="it changes the files of the working folder"):
        check_leaves_nothing(Trial("loss", "x", good("loss"), None, rules, tmp_path, {}))


def test_a_part_may_log_where_the_command_line_prints_messages(good, tmp_path, capsys):
    def use(trial, part, situation):
        logging.getLogger("maquette.mine").info("made")
        return [Output("term", torch.zeros(()))]

    show_messages()
    rules = replace(procedure("loss"), use=use, build=lambda trial: None)
    check_leaves_nothing(Trial("loss", "x", good("loss"), None, rules, tmp_path, {}))
    logging.getLogger("maquette").info("shown again")
    assert capsys.readouterr().out == "shown again\n"
