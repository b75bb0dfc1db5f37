"""Mattings: what of a picture is the object, and what its background."""
