"""Scores: how the predictions under several conditions become one."""
