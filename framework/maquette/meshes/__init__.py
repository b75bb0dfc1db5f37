"""Triangle meshes: reading, extraction, cleaning, unwrapping, baking, closest points, signed distances."""
