"""A metallic-roughness material under environment light."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from maquette.annotations import Fraction, Samples
from maquette.config.capabilities import RENDERED_NORMAL, Capabilities
from maquette.images.color import linear_to_srgb, srgb_to_linear
from maquette.images.environment import EnvironmentConfig, sample_panorama
from maquette.kernels.rasterise import sample_texture
from maquette.materials._split_sum import ROUGHNESS_STEPS, blur_kernels, blur_panorama, brdf_table
from maquette.materials.base import Material, Reflectance, Shading, ShadingPoints
from maquette.registry import register

Range = tuple[float, float]

DIELECTRIC_F0 = 0.04  # F_0 of dielectrics
TABLE_SIZE = 32  # of the BRDF's integral, along each side
LEAST_RADIANCE = 1e-3  # lower bound of a learned environment's initial radiance


@register("material", "pbr")
class PBR(Material):
    """Cook-Torrance with GGX's distribution over a Lambertian base, lit by an environment, as split sums.

        L_o = (1 - m) a E(n) / pi + (F_0 A + B) L_r        F_0 = (1 - m) 0.04 + m a

    for linear albedo a, metallic m, roughness r, and irradiance E; A, B and L_r as in `_split_sum`. The colour is sRGB,
    clipped at 1. There are no shadows, no interreflections and no point light.

    Source: Munkberg et al. 2022 (nvdiffrec, arXiv 2111.12503), "Image based lighting"; as the appearance of a generated
    object: Chen et al. 2023 (Fantasia3D, arXiv 2303.13873), "Appearance modeling"; ranges of metallic and roughness:
    threestudio's pbr-material.
    """

    @dataclass(frozen=True)
    class Config(EnvironmentConfig):
        learn_environment: bool = False  # optimise the environment, from the given one
        resolution: Samples = 32  # rows of the environment map for lighting; it has twice as many columns
        metallic: tuple[Fraction, Fraction] = (0.0, 0.9)  # range of m
        roughness: tuple[Fraction, Fraction] = (0.08, 0.9)  # range of r

        def __post_init__(self) -> None:
            super().__post_init__()
            for name in ("metallic", "roughness"):
                low, high = getattr(self, name)
                if low > high:
                    raise ValueError(f"{name} is a range from low to high, not [{low}, {high}]")

    config: Config

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return Capabilities(needs=frozenset({RENDERED_NORMAL}), feature_channels=5)

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        panorama, kernels = config.panorama(config.resolution), blur_kernels(config.resolution)
        self.register_buffer("table", brdf_table(TABLE_SIZE)[None], persistent=False)
        self.table: Tensor
        if config.learn_environment:
            self.log_radiance = nn.Parameter(panorama.clamp(min=LEAST_RADIANCE).log())
            self.register_buffer("kernels", kernels, persistent=False)
            self.kernels: Tensor
        else:
            self.register_buffer("blurred", blur_panorama(panorama, kernels), persistent=False)
            self.blurred: Tensor

    def prefiltered_maps(self) -> Float[Tensor, "K H W 3"]:
        """The environment's radiance, blurred for each step of roughness by `_split_sum.blur_panorama`."""
        return blur_panorama(self.log_radiance.exp(), self.kernels) if self.config.learn_environment else self.blurred

    def albedo(self, features: Float[Tensor, "n F"]) -> Float[Tensor, "n 3"]:
        return torch.sigmoid(features[:, :3])

    def reflectance(self, features: Float[Tensor, "n F"]) -> Reflectance:
        (m_low, m_high), (r_low, r_high) = self.config.metallic, self.config.roughness
        metallic, roughness = torch.sigmoid(features[:, 3:5]).split(1, dim=-1)
        return Reflectance(
            self.albedo(features), m_low + (m_high - m_low) * metallic, r_low + (r_high - r_low) * roughness
        )

    def shade(self, points: ShadingPoints, shading: Shading) -> Float[Tensor, "n 3"]:
        normals, directions = points.normals, points.directions
        if normals is None:
            raise ValueError("pbr is lit by normals; a renderer computes them where material.needs_normals is true")
        surface = self.reflectance(points.features)
        albedo = torch.ones_like(surface.albedo) if shading.textureless else srgb_to_linear(surface.albedo)
        facing = (directions * normals).sum(-1, keepdim=True)
        lobe = torch.lerp(directions - 2 * facing * normals, normals, surface.roughness.square())
        diffuse, specular = self._prefiltered_light(normals, lobe, surface.roughness)
        uv = torch.cat([(-facing).clamp(0, 1), surface.roughness], dim=-1) * (1 - 1 / TABLE_SIZE) + 0.5 / TABLE_SIZE
        scale, bias = sample_texture(self.table, uv[None, None], wrap="clamp")[0, 0].split(1, dim=-1)
        normal_reflectance = DIELECTRIC_F0 + (albedo - DIELECTRIC_F0) * surface.metallic
        radiance = (1 - surface.metallic) * albedo * diffuse + (normal_reflectance * scale + bias) * specular
        return linear_to_srgb(radiance)

    def _prefiltered_light(
        self, normals: Float[Tensor, "n 3"], lobe: Float[Tensor, "n 3"], roughness: Float[Tensor, "n 1"]
    ) -> tuple[Float[Tensor, "n 3"], Float[Tensor, "n 3"]]:
        """E / pi along the normal, and L_r along the lobe, interpolated between the two nearest steps of roughness."""
        place = roughness * ROUGHNESS_STEPS
        sharper = place.detach().floor().clamp(max=ROUGHNESS_STEPS - 1)
        which = sharper[:, 0].long()
        map_index = torch.cat([torch.full_like(which, ROUGHNESS_STEPS + 1), which, which + 1])
        directions = torch.cat([normals, lobe, lobe])
        radiance = sample_panorama(self.prefiltered_maps(), directions, map_index, self.config.rotation_deg)
        diffuse, sharp, blunt = radiance.chunk(3)
        return diffuse, torch.lerp(sharp, blunt, place - sharper)
