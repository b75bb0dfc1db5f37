"""Training: the loop, optimisers, checkpoints, signals, progress, the run folder and its record."""
