"""One-2-3-45++: a coarse shape, then its fine surface and colours, by two 3D diffusion models conditioned on views."""
