"""Feed-forward makers of 3D: from a request and posed pictures to a mesh, a grid of signed distances, or splats."""
