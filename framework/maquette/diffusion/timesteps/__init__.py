"""Timestep schedules: which noise levels the steps of an optimisation look at."""
