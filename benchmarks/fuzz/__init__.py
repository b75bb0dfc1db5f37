"""Inputs of every kind, right and broken, and a closed room in which the readers are tried with them."""

import sys
from pathlib import Path

TESTS = Path(__file__).parents[2] / "tests"
sys.path += [str(TESTS / folder) for folder in ("", "meshes", "data/formats") if str(TESTS / folder) not in sys.path]
