"""Tests check the shapes of arrays at each call of a function that names them, at no cost to other functions."""

import jaxtyping
import pytest
import torch
from jaxtyping import Float

from annotations import where_arrays_are
from maquette.files import display_path
from maquette.images.color import linear_to_srgb
from maquette.images.picture import Picture


def test_a_wrong_shape_is_refused_by_functions_and_dataclasses():
    with pytest.raises(jaxtyping.TypeCheckError, match="opaque"):
        Picture.opaque(torch.zeros(1, 2, 2, 4))
    with pytest.raises(jaxtyping.TypeCheckError, match="parameters of"):
        Picture(torch.zeros(1, 2, 2, 3), torch.zeros(1, 2, 2, 3))


def test_functions_without_arrays_are_left_as_they_are():
    assert hasattr(linear_to_srgb, "__wrapped__") and not hasattr(display_path, "__wrapped__")

    def plain(count: int, later: "NowhereDefined") -> "int":
        return count

    def shaped(picture: "Float[torch.Tensor, 'H W'] | None") -> int:
        return 1

    decorate = where_arrays_are(lambda typechecker: lambda function: "decorated")(typechecker=None)
    assert decorate(plain) is plain and decorate(shaped) == "decorated"
