"""Strategies by which a cloud of Gaussians grows and is thinned while it is optimised."""
