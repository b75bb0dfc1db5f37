"""Configuration: typed schemas, composition from files and overrides, schedules, errors that teach."""

from maquette.config.loading import ResolvedConfig, load_method
from maquette.config.parts import PartSpec
from maquette.config.schedules import Schedule
from maquette.config.schema import MethodConfig

__all__ = ["MethodConfig", "PartSpec", "ResolvedConfig", "Schedule", "load_method"]
