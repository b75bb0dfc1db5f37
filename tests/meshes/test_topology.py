"""Closed pieces are wound outward, walls of cavities inward; components and holes are counted over equal positions."""

import numpy as np
import pytest
import trimesh

from maquette.meshes.isosurface import extract_surface
from maquette.meshes.mesh import Mesh
from maquette.meshes.placement import Placement
from maquette.meshes.reading import inspect_mesh
from maquette.meshes.topology import count_components, is_watertight, orient_outward


def body(*shapes):
    whole = trimesh.util.concatenate(shapes)
    return Mesh(whole.vertices, whole.faces)


def ball(radius=0.5, inward=False, at=(0, 0, 0)):
    shape = trimesh.creation.icosphere(2, radius)
    shape.apply_translation(at)
    if inward:
        shape.invert()
    return shape


def test_a_body_that_looks_inward_is_turned():
    mesh, turned = orient_outward(body(ball(inward=True)))
    assert mesh.volume == pytest.approx(ball().volume, rel=1e-4) and turned == len(mesh.faces)


def test_one_of_two_bodies_is_turned():
    mesh, turned = orient_outward(body(ball(at=(-1, 0, 0)), ball(inward=True, at=(1, 0, 0))))
    assert mesh.volume == pytest.approx(2 * ball().volume, rel=1e-4) and turned == len(mesh.faces) // 2


def test_the_wall_of_a_cavity_stays_inward():
    hollow = body(ball(1.0), ball(0.5, inward=True))
    mesh, turned = orient_outward(hollow)
    assert turned == 0 and mesh.volume == pytest.approx(ball(1.0).volume - ball(0.5).volume, rel=1e-4)


def test_faces_that_disagree_are_made_to_agree():
    shape = ball()
    faces = shape.faces.copy()
    faces[::3] = faces[::3, ::-1]
    mesh, _ = orient_outward(Mesh(shape.vertices, faces))
    assert mesh.volume == pytest.approx(shape.volume, rel=1e-4)
    assert (mesh.face_volumes > 0).all()


def test_seams_do_not_open_a_body_and_open_surfaces_stay():
    shape = ball(inward=True)
    soup = Mesh(shape.vertices[shape.faces].reshape(-1, 3), np.arange(3 * len(shape.faces)).reshape(-1, 3))
    assert is_watertight(soup) and count_components(soup) == 1
    assert orient_outward(soup)[0].volume > 0
    bowl = Mesh(shape.vertices, shape.faces[:-1])
    assert orient_outward(bowl)[1] == 0 and not is_watertight(bowl)


def test_the_file_decides_nothing_about_in_and_out(tmp_path):
    ball(inward=True).export(tmp_path / "a.stl")
    loaded = inspect_mesh(tmp_path / "a.stl")
    assert loaded.value.volume > 0 and "looked inward" in loaded.warnings[0]


@pytest.mark.parametrize("extension", ["obj", "ply", "off", "stl", "glb"])
def test_components_and_watertight_agree_with_trimesh(tmp_path, extension):
    whole = trimesh.util.concatenate(
        [ball(at=(-1, 0, 0)), trimesh.creation.box(), trimesh.creation.annulus(0.3, 0.6, 1)]
    )
    whole.export(tmp_path / f"a.{extension}")
    facts = inspect_mesh(tmp_path / f"a.{extension}", Placement(fit="none", up="z")).facts
    assert (facts["components"], facts["watertight"], facts["faces"]) == (whole.body_count, True, len(whole.faces))
    np.testing.assert_allclose(facts["bounds"], whole.bounds, atol=1e-5)


def test_a_hollow_density_is_wound_outward():
    def shell(points):
        distance = points.norm(dim=-1)
        return ((distance < 0.8) & (distance > 0.4)).float() * 10

    mesh = extract_surface(shell, 1.0, 32, 1.0)
    assert mesh.volume == pytest.approx(4 / 3 * np.pi * (0.8**3 - 0.4**3), rel=0.1)
