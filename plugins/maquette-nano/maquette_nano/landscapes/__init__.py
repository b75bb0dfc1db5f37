"""Landscapes of the nano world: photographs with exact procedural shading, and the label maps of each."""
