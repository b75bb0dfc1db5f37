"""What parts need and give, as sets of entries."""

from maquette.config.capabilities import (
    RENDERED_NORMAL,
    TARGET_NORMAL,
    Capabilities,
    bare,
    condition,
    form,
    listed,
    trainable_copy,
    within,
)


def test_entries_of_two_namespaces_are_different_things_with_one_name():
    assert RENDERED_NORMAL != TARGET_NORMAL and bare({RENDERED_NORMAL, TARGET_NORMAL}) == {"normal"}
    assert within("rendering", {RENDERED_NORMAL, TARGET_NORMAL}) == {RENDERED_NORMAL}
    assert (condition("front"), form("splats"), trainable_copy("lora")) == (
        "condition:front",
        "geometry:splats",
        "copy:lora",
    )


def test_entries_are_listed_in_order_without_their_namespaces():
    assert listed({"rendering:samples", "geometry:sdf", "data"}) == "data, samples, sdf"


def test_capabilities_grow_and_leave_the_ones_they_grew_from():
    plain = Capabilities()
    grown = plain.needing("data").giving("reference", RENDERED_NORMAL).needing(TARGET_NORMAL)
    assert grown.needs == {"data", TARGET_NORMAL} and grown.gives == {"reference", RENDERED_NORMAL}
    assert plain == Capabilities() and plain.views_per_object == 1
