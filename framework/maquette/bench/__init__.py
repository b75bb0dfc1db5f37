"""Suites: many runs of one method, measured alike, with results that say how they were made."""
