"""Stopping criteria: when a loop ends before its last step."""
