"""Data that stages learn from: image sets, multi-view sets, prompts."""
