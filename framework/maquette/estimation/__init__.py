"""Depth and normals out of a single picture."""

from maquette.estimation.estimator import Estimate, Estimator

__all__ = ["Estimate", "Estimator"]
