"""Seeds of the worlds of landscapes: photographs, training worlds and held-out worlds have none in common."""

from __future__ import annotations

TRAINING_WORLDS = 0  # first seed of the worlds that a renderer is trained on
HELD_OUT_WORLDS = 500_000  # of those that it is measured on
PHOTOGRAPHED = 1_000_000  # of the worlds of training photographs
HELD_OUT_PHOTOGRAPHED = 2_000_000  # of those of held-out photographs
SCORED = 3_000_000  # of those that pictures are compared with
