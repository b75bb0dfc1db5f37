"""Renderers: how geometry, material and background become pixels."""
