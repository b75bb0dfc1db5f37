"""The checker of annotations that tests put on every function of the framework, see conftest.py."""

from __future__ import annotations

from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
"""An int is a float, as type checkers have it."""
