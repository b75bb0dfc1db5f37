"""The suite file says what the world says: the held-out prompts, their labels, and every caption to choose from."""

from maquette.bench.suites import load_suite
from maquette_nano import world


def test_the_suite_holds_the_held_out_prompts_in_order():
    suite = load_suite("nano-text")
    assert [case.prompt for case in suite.cases] == world.test_prompts()
    for case in suite.cases:
        category, color = case.labels["category"], case.labels["colour"]
        assert case.prompt.split(" with ")[0].split(" ", 1)[1] == f"{color} {category}"
        assert world.split_of(category, color) == "test"


def test_the_suite_chooses_among_the_whole_vocabulary():
    captions = load_suite("nano-text").metrics["r-precision"].config.captions
    assert list(captions) == list(world.all_test_captions())
