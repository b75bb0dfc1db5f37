"""Renderers: pictures of geometry, material and background."""
