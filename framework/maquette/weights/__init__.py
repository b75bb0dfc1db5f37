"""Pretrained weights: where they lie, in which layouts they come, and reading them."""
