"""Priors: diffusion models that say which way a picture should move."""
