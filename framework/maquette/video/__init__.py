"""Films: what a file holds, its frames one after the other, and writing of frames, all by pipes to FFmpeg."""
