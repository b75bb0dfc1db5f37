"""Callbacks of a training loop: what else happens while a scene or a model is trained."""
