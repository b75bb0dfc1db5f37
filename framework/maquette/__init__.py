"""maquette: 3D objects and scenes out of diffusion priors; a method is a YAML file, a prior is a package."""

__version__ = "0.1.0"
