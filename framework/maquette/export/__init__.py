"""Export of finished scenes to files: textured meshes, points, splats, turntables, contact sheets."""
