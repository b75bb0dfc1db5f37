"""Data: what an object is known to look like, from one picture or from pictures with known cameras."""
