"""Moving pictures play back."""

import imageio.v3 as iio
import numpy as np
import pytest
from PIL import Image

from maquette.export.video import write_gif, write_mp4


def frames(count=6, height=33, width=47):
    """A bright square that moves right over a gradient."""
    pictures = np.tile(np.linspace(0, 0.6, width)[None, None, :, None], (count, height, 1, 3))
    for i in range(count):
        pictures[i, 10:20, 5 * i : 5 * i + 8] = [1, 0.5, 0]
    return pictures


def test_mp4_plays_back_with_even_sides(tmp_path):
    read = iio.imread(write_mp4(tmp_path / "film.mp4", frames(), fps=10), plugin="FFMPEG") / 255
    assert read.shape == (6, 34, 48, 3)
    assert np.abs(read[:, :33, :47] - frames()).mean() < 0.05
    assert iio.immeta(tmp_path / "film.mp4", plugin="FFMPEG")["pix_fmt"].startswith("yuv420p")


def test_gif_plays_back_and_loops(tmp_path):
    with Image.open(write_gif(tmp_path / "film.gif", frames(), fps=20)) as gif:
        assert (gif.n_frames, gif.info["loop"], gif.info["duration"]) == (6, 0, 50)
        gif.seek(4)
        assert np.abs(np.asarray(gif.convert("RGB")) / 255 - frames()[4]).mean() < 0.03


@pytest.mark.parametrize("write", [write_mp4, write_gif])
def test_films_need_frames_of_one_size(tmp_path, write):
    with pytest.raises(ValueError, match="none at all"):
        write(tmp_path / "film.mp4", [], fps=10)
    with pytest.raises(ValueError, match="one shape"):
        write(tmp_path / "film.mp4", [np.zeros((4, 4, 3)), np.zeros((4, 6, 3))], fps=10)
