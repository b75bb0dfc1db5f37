"""Supervision: what an object is known to look like."""
