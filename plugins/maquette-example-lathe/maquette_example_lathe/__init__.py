"""A solid of revolution: the median silhouette of all pictures, turned about the vertical axis."""
