"""Preview images during training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from maquette.training.task import Task


@torch.no_grad()
def write_preview(task: Task, step: int, folder: Path) -> Path | None:
    """Write the task's preview after `step` steps into the folder; returns its path, or None without a preview."""
    from imageio.v3 import imwrite

    picture = task.preview(step)
    if picture is None:
        return None
    path = folder / f"{step:06d}.png"
    imwrite(path, (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8))
    return path
