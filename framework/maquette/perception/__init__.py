"""Networks that read pictures, frozen: CLIP, its image tower, depth and normal estimators, a viewpoint reader."""
