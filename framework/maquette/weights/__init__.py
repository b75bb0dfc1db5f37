"""Pretrained weights: locating them, and loading their file layouts."""
