"""Backgrounds: what is seen where the object is not."""
