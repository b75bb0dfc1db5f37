import numpy as np
import pytest
import trimesh

from maquette.meshes.clean import simplify
from maquette.meshes.holes import close_holes, mend
from maquette.meshes.mesh import Mesh
from maquette.meshes.topology import count_components, is_watertight


def ball(subdivisions=3):
    body = trimesh.creation.icosphere(subdivisions)
    return Mesh(body.vertices, body.faces)


def test_a_ball_with_two_holes_is_closed_again_with_its_volume():
    whole = ball()
    height = whole.vertices[whole.faces].mean(1)[:, 2]
    opened = Mesh(whole.vertices, whole.faces[np.abs(height) < 0.97])
    closed, count = close_holes(opened)
    assert count == 2 and not is_watertight(opened) and is_watertight(closed)
    assert closed.volume == pytest.approx(whole.volume, rel=0.01)


def test_a_closed_mesh_is_left_as_it_is():
    whole = ball()
    assert close_holes(whole) == (whole, 0)
    assert mend(whole) is whole


def test_two_holes_that_share_a_vertex_are_closed_one_by_one():
    whole = ball(2)
    first = whole.faces[0]
    others = [f for f in whole.faces if len(set(f) & set(first)) == 1][:1]
    gone = {tuple(first), tuple(others[0])}
    opened = Mesh(whole.vertices, [f for f in whole.faces.tolist() if tuple(f) not in gone])
    closed, count = close_holes(opened)
    assert count == 2 and is_watertight(closed)
    assert closed.volume == pytest.approx(whole.volume, rel=1e-3)


def test_bodies_that_touch_along_an_edge_are_mended():
    a, b = trimesh.creation.box(), trimesh.creation.box()
    b.apply_translation([1, 1, 0])  # they share one edge
    both = trimesh.util.concatenate([a.subdivide(), b.subdivide()])
    both.merge_vertices()
    mesh = Mesh(both.vertices, both.faces)
    assert not both.is_watertight
    mended = mend(mesh)
    assert mended.to_trimesh().is_watertight and mended.volume == pytest.approx(mesh.volume, rel=0.2)


def test_a_laced_surface_stays_closed_when_it_is_decimated():
    from maquette.meshes.isosurface import extract_surface

    def lace(points):
        x, y, z = (9 * points).unbind(-1)
        gyroid = (x.sin() * y.cos() + y.sin() * z.cos() + z.sin() * x.cos()).abs()
        return 40.0 * ((gyroid < 0.35) & (points.norm(dim=-1) < 0.8))

    mesh = extract_surface(lace, 1.0, 64, threshold=20.0)
    few = simplify(mesh, 4000, 0.001)
    assert is_watertight(mesh) and is_watertight(few) and len(few.faces) < 5000
    assert count_components(few) == count_components(mesh)
