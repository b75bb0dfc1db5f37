"""Models that a `train` stage can fit: each owns its network, its loss and the format it is saved in."""
