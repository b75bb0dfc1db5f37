"""Priors in closed form, without a network: the exact denoisers of a set of pictures and of a normal distribution."""
