"""Metrics: what a finished scene is judged by."""
