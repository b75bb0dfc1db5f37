"""The public names of maquette, for editors and type checkers; `__init__.py` imports each when it is first used."""

from maquette.api import compare as compare
from maquette.api import inspect as inspect
from maquette.api import load as load
from maquette.api import methods as methods
from maquette.api import orbit as orbit
from maquette.api import part as part
from maquette.api import parts as parts
from maquette.api import prior as prior
from maquette.api import read_mesh as read_mesh
from maquette.api import render as render
from maquette.api import resume as resume
from maquette.api import run as run
from maquette.api import sample_views as sample_views
from maquette.api import save as save
from maquette.api import sheet as sheet
from maquette.api import show as show
from maquette.cameras.base import Cameras as Cameras
from maquette.errors import MaquetteError as MaquetteError
from maquette.finished_run import Run as Run
from maquette.meshes.mesh import Mesh as Mesh
from maquette.registry import register as register

__version__: str
