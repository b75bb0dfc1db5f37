"""Triangle meshes from elsewhere: reading files, where a mesh stands, closest points, signed distances."""
