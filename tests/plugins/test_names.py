"""What a name means that several plugins may offer."""

import pytest

from maquette import plugins
from maquette.errors import ConfigError
from maquette.plugins.names import Offers

OFFERS = Offers("weights", [("acme", "mug", 1), ("bolt", "mug", 2), ("bolt", "cup", 3), ("bolt", "pot", 4)], {"pot"})


def test_names_of_one_plugin_are_plain_and_others_have_its_name():
    assert OFFERS.listed() == {"acme/mug": 1, "bolt/mug": 2, "cup": 3, "bolt/pot": 4}
    assert OFFERS.find("cup") == OFFERS.find("bolt/cup") == 3
    assert OFFERS.find("pot") is None and OFFERS.find("bolt/pot") == 4 and OFFERS.find("acme/cup") is None


def test_a_name_of_two_is_refused_with_both():
    with pytest.raises(ConfigError, match=r"^weights 'mug' is of plugins acme and bolt; write acme/mug or bolt/mug$"):
        OFFERS.find("mug")
    assert OFFERS.clashes() == [
        "weights 'mug' is offered by plugins acme and bolt; say which: acme/mug or bolt/mug",
        "weights 'pot' of bolt is maquette's; write bolt/pot",
    ]


def test_weights_go_by_their_distribution_too():
    assert plugins.find_weights("maquette-nano/nano-clip") == plugins.find_weights("nano-clip")
    assert plugins.find_weights("nano-clip") == plugins.weights()["nano-clip"]
