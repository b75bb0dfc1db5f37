"""How stages are run: the run folder, the loop, checkpoints, signals, progress, the record of what was done."""
