"""From a trained subject to files that other programs open: meshes with textures, points, turntables, sheets."""
