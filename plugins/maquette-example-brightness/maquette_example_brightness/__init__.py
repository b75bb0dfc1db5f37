"""Brightness: the mean of 1 - rgb over all pixels, so that dark renderings cost more."""
