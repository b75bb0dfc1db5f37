import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from analytic import AnalyticSubject

from maquette.export.clean import clean
from maquette.export.isosurface import extract
from maquette.export.mesh import Mesh
from maquette.export.texture import bake, unwrap


@pytest.fixture(scope="session")
def subject() -> AnalyticSubject:
    return AnalyticSubject()


@pytest.fixture(scope="session")
def surface(subject) -> Mesh:
    return extract(subject.density, subject.bound, 64)


@pytest.fixture(scope="session")
def textured(subject, surface) -> Mesh:
    return bake(unwrap(clean(surface, max_faces=6000), 256), subject.color, 256)
