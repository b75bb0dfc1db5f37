"""Priors that are told a text: Stable Diffusion, SDXL, DeepFloyd IF, ControlNet, InstructPix2Pix."""
