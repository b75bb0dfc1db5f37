"""Inputs of every kind, right and broken, and a closed room in which the readers are tried with them."""
