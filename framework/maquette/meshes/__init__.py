"""Triangle meshes: reading, extracting, cleaning and unwrapping them, baking, closest points, signed distances."""
