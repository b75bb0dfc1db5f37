"""Geometry: representations of the object's shape and features."""
