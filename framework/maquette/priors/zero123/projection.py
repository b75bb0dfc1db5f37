"""The context token of models of Zero-1-to-3's family: a picture's CLIP embedding and a relative pose."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from maquette.weights.loading import refuse_differences

POSE = 4
"""Numbers in a relative pose, `maquette.cameras.directions.relative_pose`."""


class CameraProjection(nn.Module):
    """One context token out of an image embedding and a relative pose.

    It begins as the embedding plus an unlearnt echo of the pose. The column of the distance begins at zero: data with a
    single distance leaves it there, and such a model ignores distances.

    Source: Liu et al. 2023 (Zero-1-to-3, arXiv 2303.11328), sec. 3.2; files as the diffusers ports of it have them
    (class `CLIPCameraProjection`).

    Args:
        width: size of the embedding, and of the token.
    """

    FOLDER = "clip_camera_projection"

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.proj = nn.Linear(width + POSE, width)
        with torch.no_grad():
            nn.init.eye_(self.proj.weight)
            self.proj.weight[:, width:-1].uniform_(-1, 1)
            nn.init.zeros_(self.proj.bias)

    def forward(self, embedding: Float[Tensor, "B width"], pose: Float[Tensor, "B 4"]) -> Float[Tensor, "B 1 width"]:
        """The token."""
        return self.proj(torch.cat([embedding, pose.to(embedding)], dim=-1))[:, None]

    def save(self, folder: Path) -> None:
        """Write `clip_camera_projection/` into `folder`."""
        from safetensors.torch import save_file

        place = folder / self.FOLDER
        place.mkdir(parents=True, exist_ok=True)
        facts = {"_class_name": "CLIPCameraProjection", "embedding_dim": self.width, "additional_embeddings": POSE}
        (place / "config.json").write_text(json.dumps(facts, indent=2) + "\n")
        state = {name: value.contiguous() for name, value in self.state_dict().items()}
        save_file(state, place / "diffusion_pytorch_model.safetensors", metadata={"format": "pt"})

    @classmethod
    def load(cls, folder: Path) -> CameraProjection:
        """Read `clip_camera_projection/` in `folder`, as floats of 32 bits."""
        from safetensors.torch import load_file

        state = load_file(folder / cls.FOLDER / "diffusion_pytorch_model.safetensors")
        return cls.of(state["proj.weight"], state["proj.bias"])

    @classmethod
    def of(cls, weight: Float[Tensor, "width inputs"], bias: Float[Tensor, " width"]) -> CameraProjection:
        """The projection that consists of these tensors, as floats of 32 bits. Raises ConfigError on other shapes."""
        projection = cls(len(bias))
        if weight.shape != projection.proj.weight.shape:
            refuse_differences("the projection of picture and camera", (), (), ["proj.weight"])
        projection.load_state_dict({"proj.weight": weight, "proj.bias": bias})
        return projection
