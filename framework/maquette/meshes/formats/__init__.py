"""Readers of mesh files, one module per format: a `Source` becomes the `Content` of the file, in the file's axes."""
