import imageio.v3 as iio
import numpy as np
import pytest
from PIL import Image, ImageFont

from maquette.export.video import write_gif, write_mp4
from maquette.images.sheets import _wrap, contact_sheet


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


def test_sheet_shows_every_picture_where_it_belongs():
    red, blue = np.full((40, 60, 3), [1.0, 0, 0]), np.full((40, 60, 3), [0, 0, 1.0])
    sheet = contact_sheet([[red, blue], [blue, None]])
    assert sheet.shape == (8 + 2 * 48, 8 + 2 * 68, 3)
    assert sheet[20, 20].tolist() == [1, 0, 0]
    assert sheet[20, 90].tolist() == [0, 0, 1]
    assert sheet[70, 20].tolist() == [0, 0, 1]
    assert sheet[70, 90].min() > 0.9


def test_labels_and_title_are_drawn_beside_the_pictures():
    picture = np.zeros((64, 64, 3))
    plain, labelled = contact_sheet([[picture]]), contact_sheet([[picture]], ["row"], ["column"], "Title")
    assert labelled.shape[0] > plain.shape[0]
    assert labelled.shape[1] > plain.shape[1]
    assert (labelled == 0).all(-1).sum() == 64 * 64


def test_long_labels_wrap_within_their_width():
    font = ImageFont.load_default(14)
    lines = _wrap("a label of many words and oneextremelylongwordwithoutanyspace at all, going on and on", font, 90)
    assert 1 < len(lines) <= 4
    assert max(font.getlength(line) for line in lines) <= 90
    assert lines[-1].endswith("…")


def test_wrong_number_of_labels_is_refused():
    with pytest.raises(ValueError, match="2 row labels for 1 rows"):
        contact_sheet([[np.zeros((8, 8, 3))]], ["a", "b"])
