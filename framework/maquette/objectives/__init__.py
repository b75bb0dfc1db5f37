"""Objectives: losses that turn a score into a gradient of the rendering (SDS, VSD, ISM ...)."""
