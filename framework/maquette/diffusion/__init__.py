"""Diffusion: noise processes, timesteps, and steps between noise levels."""
