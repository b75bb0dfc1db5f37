"""Metrics: measures of finished scenes."""
