"""Multi-view priors: several views of one object denoised together (MVDream)."""
