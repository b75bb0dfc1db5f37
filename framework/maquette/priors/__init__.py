"""Priors: frozen diffusion models that predict the noise in a picture under text, camera or picture conditions."""
