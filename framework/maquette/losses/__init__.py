"""Losses: what keeps an object well-behaved."""
