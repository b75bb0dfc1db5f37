"""The projection of a CLIP image embedding and a relative pose to Zero-1-to-3's context token."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from maquette.weights.loading import refuse_differences
from maquette.weights.raw_files import refuse_non_finite
from maquette.weights.tensor_files import read_tensors

RELATIVE_POSE_SIZE = 4
"""Numbers of a relative pose, `maquette.cameras.directions.relative_pose`."""


class CameraProjection(nn.Module):
    """A linear layer from an image embedding and a relative pose to one context token.

    It is initialised to the embedding plus a random linear map of the pose. The column of the distance is initialised
    to zero: trained on a single distance, it stays zero, and the model ignores distances.

    Source: Liu et al. 2023 (Zero-1-to-3, arXiv 2303.11328), sec. 3.2; files as the diffusers ports of it have them
    (class `CLIPCameraProjection`).

    Args:
        width: size of the embedding and of the token.
    """

    FOLDER = "clip_camera_projection"

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.proj = nn.Linear(width + RELATIVE_POSE_SIZE, width)
        with torch.no_grad():
            nn.init.eye_(self.proj.weight)
            self.proj.weight[:, width:-1].uniform_(-1, 1)
            nn.init.zeros_(self.proj.bias)

    def forward(self, embedding: Float[Tensor, "B width"], pose: Float[Tensor, "B 4"]) -> Float[Tensor, "B 1 width"]:
        """The context token."""
        return self.proj(torch.cat([embedding, pose.to(embedding)], dim=-1))[:, None]

    def save(self, folder: Path) -> None:
        """Write `clip_camera_projection/` into `folder`."""
        from safetensors.torch import save_file

        path = folder / self.FOLDER
        path.mkdir(parents=True, exist_ok=True)
        facts = {
            "_class_name": "CLIPCameraProjection",
            "embedding_dim": self.width,
            "additional_embeddings": RELATIVE_POSE_SIZE,
        }
        (path / "config.json").write_text(json.dumps(facts, indent=2) + "\n")
        state = {name: value.contiguous() for name, value in self.state_dict().items()}
        save_file(state, path / "diffusion_pytorch_model.safetensors", metadata={"format": "pt"})

    @classmethod
    def load(cls, folder: Path) -> CameraProjection:
        """Read `clip_camera_projection/` in `folder`, in float32."""
        state = read_tensors(folder / cls.FOLDER / "diffusion_pytorch_model.safetensors")
        refuse_differences(cls.FOLDER, sorted({"proj.weight", "proj.bias"} - state.keys()), ())
        return cls.of(state["proj.weight"], state["proj.bias"])

    @classmethod
    def of(cls, weight: Float[Tensor, "width inputs"], bias: Float[Tensor, " width"]) -> CameraProjection:
        """The projection with these weights, in float32. Raises ConfigError if the shapes do not fit."""
        projection = cls(len(bias))
        if weight.shape != projection.proj.weight.shape:
            refuse_differences("the projection of picture and camera", (), (), ["proj.weight"])
        tensors = {"proj.weight": weight, "proj.bias": bias}
        refuse_non_finite(tensors.items(), "the projection of picture and camera", "prior.path")
        projection.load_state_dict(tensors)
        return projection
