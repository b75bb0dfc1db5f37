"""Text-to-image priors: Stable Diffusion, SDXL, DeepFloyd IF, ControlNet, InstructPix2Pix."""
