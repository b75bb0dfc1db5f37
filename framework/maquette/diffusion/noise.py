"""Noise processes: what a model predicts, and alpha and sigma of each timestep."""

from __future__ import annotations

from typing import Literal

Prediction = Literal["epsilon", "v_prediction", "sample"]
