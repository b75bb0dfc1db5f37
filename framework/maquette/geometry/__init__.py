"""Geometry: what the object is."""
