"""Priors of six fixed views of one picture: Zero123++."""
