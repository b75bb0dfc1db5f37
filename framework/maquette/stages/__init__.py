"""Stages: the steps a method is made of."""
