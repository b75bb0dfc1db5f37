"""Priors in closed form, without a network: a set of captioned pictures, and a normal distribution."""
