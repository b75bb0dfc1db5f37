import numpy as np
import pytest

from maquette.meshes.mesh import Mesh

TETRAHEDRON = Mesh(
    [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], [[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]
)  # fmt: skip


def test_arrays_take_their_declared_types():
    assert TETRAHEDRON.vertices.dtype == np.float32
    assert TETRAHEDRON.faces.dtype == np.int64


def test_volume_of_an_outward_tetrahedron_is_a_sixth():
    assert TETRAHEDRON.volume == pytest.approx(1 / 6)
    assert Mesh(TETRAHEDRON.vertices, TETRAHEDRON.faces[:, ::-1]).volume == pytest.approx(-1 / 6)


def test_bounds_and_areas():
    assert TETRAHEDRON.bounds.tolist() == [[0, 0, 0], [1, 1, 1]]
    np.testing.assert_allclose(TETRAHEDRON.face_areas, [0.5, 0.5, 0.5, 3**0.5 / 2])


def test_empty_mesh_is_a_mesh():
    empty = Mesh([], [])
    assert empty.is_empty
    assert empty.bounds.shape == (2, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"faces": [[0, 1, 4]]}, "index the 4 vertices"),
        ({"vertices": np.zeros((4, 2))}, r"vertices must have shape \[any, 3\], not \[4, 2\]"),
        ({"vertices": [[0, 0, np.nan]] * 4}, "not finite"),
        ({"uv": np.full((4, 2), 1.5)}, r"uv must lie in \[0, 1\]"),
        ({"uv": np.zeros((3, 2))}, r"uv must have shape \[4, 2\]"),
        ({"texture": np.zeros((2, 2, 3))}, "needs uv"),
        ({"metallic_roughness": np.zeros((2, 2, 3))}, r"metallic_roughness must have shape \[any, any, 2\]"),
        ({"vertex_colors": np.full((4, 3), 255)}, r"vertex_colors must lie in \[0, 1\]"),
    ],
)
def test_wrong_arrays_are_refused_by_name(change, message):
    arrays = {"vertices": TETRAHEDRON.vertices, "faces": TETRAHEDRON.faces, **change}
    with pytest.raises(ValueError, match=message):
        Mesh(**arrays)
