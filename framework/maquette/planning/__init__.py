"""What a run will take: a plan that builds and downloads nothing, and a trial of one step of each stage."""

from maquette.planning.plan import Plan, plan_method
from maquette.planning.trial import Trial, try_method

__all__ = ["Plan", "Trial", "plan_method", "try_method"]
