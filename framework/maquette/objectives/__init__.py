"""Objectives: what a score does to the rendering."""
