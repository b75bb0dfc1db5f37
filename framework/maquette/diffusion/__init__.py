"""Diffusion: noise schedules, timesteps, and DDIM steps."""
