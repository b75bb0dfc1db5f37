"""Stages of a method: optimise, train, evaluate, export."""
