"""Writers of videos: `.mp4` and `.gif`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from maquette.files import atomic_path
from maquette.images.pixels import to_bytes

CRF = 18  # x264 quality: visually lossless
PALETTE_FRAMES = 16  # frames that the palette of a gif is chosen from
PALETTE_PIXELS = 2**16  # of them, at most: k-means over all pixels costs more than the rest of an export


def write_mp4(path: Path, frames: Sequence[np.ndarray], fps: int) -> Path:
    """Write H.264 in yuv420p, which needs even sides: odd ones are extended by repeating the last row or column.

    Args:
        path: file to write, ending in `.mp4`.
        frames: pictures [H, W, 3] in [0, 1], all of one size.
        fps: frames per second.
    """
    import imageio_ffmpeg

    _check(frames)
    height, width = frames[0].shape[:2]
    odd = ((0, height % 2), (0, width % 2), (0, 0))
    with atomic_path(path) as place:
        stream = imageio_ffmpeg.write_frames(
            str(place), (width + width % 2, height + height % 2), fps=fps, codec="libx264", pix_fmt_out="yuv420p",
            quality=None, bitrate=None, macro_block_size=2, ffmpeg_log_level="error",
            output_params=["-crf", str(CRF), "-movflags", "+faststart"],
        )  # fmt: skip
        stream.send(None)
        for frame in frames:
            stream.send(np.ascontiguousarray(np.pad(to_bytes(frame), odd, mode="edge")))
        stream.close()
    return path


def write_gif(path: Path, frames: Sequence[np.ndarray], fps: int) -> Path:
    """Write an endless loop with one palette for all frames, to avoid flicker; arguments as in `write_mp4`.

    Gif counts time in hundredths of a second, so the true rate is 100 / round(100 / fps).
    """
    _check(frames)
    pictures = [Image.fromarray(to_bytes(frame)) for frame in frames]
    chosen = np.unique(np.linspace(0, len(frames) - 1, min(len(frames), PALETTE_FRAMES)).round().astype(int))
    step = math.ceil(math.sqrt(len(chosen) * frames[0][..., 0].size / PALETTE_PIXELS))
    samples = Image.fromarray(np.concatenate([to_bytes(frames[i][::step, ::step]) for i in chosen]))
    palette = samples.quantize(256, method=Image.Quantize.MEDIANCUT, kmeans=1)
    indexed = [picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG) for picture in pictures]
    with atomic_path(path) as place:
        indexed[0].save(
            place, save_all=True, append_images=indexed[1:], duration=max(2, round(100 / fps)) * 10, loop=0,
            optimize=False, disposal=1,
        )  # fmt: skip
    return path


def _check(frames: Sequence[np.ndarray]) -> None:
    shapes = sorted({tuple(frame.shape) for frame in frames})
    if len(shapes) != 1 or len(shapes[0]) != 3 or shapes[0][2] != 3:
        raise ValueError(f"a video needs frames of one shape [H, W, 3], not {shapes or 'none at all'}")
