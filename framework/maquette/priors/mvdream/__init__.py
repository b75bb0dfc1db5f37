"""Priors of four views of one object: MVDream."""
