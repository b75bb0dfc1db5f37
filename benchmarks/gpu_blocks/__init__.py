"""The blocks of gpu_check.py: what each measures, and the bars that it is held to."""
