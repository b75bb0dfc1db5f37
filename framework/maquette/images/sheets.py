"""Contact sheets: grids of pictures of one size with labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional

from maquette.images.pixels import to_bytes

TEXT_COLOR, PAGE_COLOR, BLANK_COLOR = (34, 36, 40), (255, 255, 255), (238, 239, 241)
GAP = 8  # pixels between pictures
LABEL_LINES = 4  # at most; longer labels end in an ellipsis


def contact_sheet(
    pictures: Sequence[Sequence[np.ndarray | None]],
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
    title: str = "",
) -> np.ndarray:
    """Lay out rows of pictures on one sheet with labels.

    Args:
        pictures: rows of pictures [H, W, 3] in [0, 1], all of one size; None and the end of a
            short row are blank.
        row_labels: one text per row, at its left; long ones wrap.
        column_labels: one text per column, above it; long ones wrap.
        title: text above the sheet.

    Returns:
        The sheet [H', W', 3] float32 in [0, 1].

    Raises:
        ValueError: no picture, sizes that differ, or a wrong number of labels.
    """
    height, width, rows, columns = _layout(pictures, row_labels, column_labels)
    font, heading = _font(max(11, min(16, width // 12))), _font(max(14, min(22, width // 8)))
    line = sum(font.getmetrics()) + 2
    rows_wrapped = [_wrap(text, font, max(80, int(width * 0.6))) for text in row_labels]
    columns_wrapped = [_wrap(text, font, width) for text in column_labels]
    longest = max((font.getlength(text) for lines in rows_wrapped for text in lines), default=0)
    pictures_left = GAP + (int(longest) + 2 * GAP if longest else 0)
    total_width = pictures_left + columns * (width + GAP)
    title_lines = _wrap(title, heading, total_width - 2 * GAP) if title else []
    title_line = sum(heading.getmetrics()) + 2
    top = GAP + len(title_lines) * title_line + (GAP if title_lines else 0)
    column_lines = max((len(lines) for lines in columns_wrapped), default=0)
    pictures_top = top + column_lines * line + (GAP if column_labels else 0)

    sheet = Image.new("RGB", (total_width, pictures_top + rows * (height + GAP)), PAGE_COLOR)
    draw = ImageDraw.Draw(sheet)
    for i, text in enumerate(title_lines):
        draw.text((GAP, GAP + i * title_line), text, TEXT_COLOR, heading)
    for j, lines in enumerate(columns_wrapped):
        bottom = pictures_top - GAP // 2 - len(lines) * line
        for i, text in enumerate(lines):
            indent = (width - font.getlength(text)) / 2
            draw.text((pictures_left + j * (width + GAP) + indent, bottom + i * line), text, TEXT_COLOR, font)
    for r in range(rows):
        y = pictures_top + r * (height + GAP)
        lines = rows_wrapped[r] if row_labels else []
        for i, text in enumerate(lines):
            draw.text((GAP, y + (height - len(lines) * line) / 2 + i * line), text, TEXT_COLOR, font)
        for c in range(columns):
            picture = pictures[r][c] if c < len(pictures[r]) else None
            place = (pictures_left + c * (width + GAP), y)
            if picture is None:
                draw.rectangle((*place, place[0] + width - 1, y + height - 1), BLANK_COLOR)
            else:
                sheet.paste(Image.fromarray(to_bytes(picture)), place)
    return np.asarray(sheet, np.float32) / 255


def _layout(
    pictures: Sequence[Sequence[np.ndarray | None]], row_labels: Sequence[str], column_labels: Sequence[str]
) -> tuple[int, int, int, int]:
    shapes = sorted({tuple(picture.shape) for row in pictures for picture in row if picture is not None})
    if len(shapes) != 1 or len(shapes[0]) != 3 or shapes[0][2] != 3:
        raise ValueError(f"a sheet needs pictures of one shape [H, W, 3], not {shapes or 'none at all'}")
    rows, columns = len(pictures), max(len(row) for row in pictures)
    for name, labels, count in (("row", row_labels, rows), ("column", column_labels, columns)):
        if labels and len(labels) != count:
            raise ValueError(f"{len(labels)} {name} labels for {count} {name}s")
    return shapes[0][0], shapes[0][1], rows, columns


def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont), "Pillow was built without FreeType"
    return font


def _wrap(text: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """Lines no wider than `width`, broken at spaces, and inside words that are too long on their own."""
    lines = [""]
    for word in text.split():
        candidate = f"{lines[-1]} {word}".strip()
        if font.getlength(candidate) <= width:
            lines[-1] = candidate
            continue
        lines += [""] if lines[-1] else []
        for letter in word:
            if lines[-1] and font.getlength(lines[-1] + letter) > width:
                lines.append("")
            lines[-1] += letter
    if len(lines) > LABEL_LINES:
        last = lines[LABEL_LINES - 1]
        while last and font.getlength(last + "…") > width:
            last = last[:-1]
        lines = [*lines[: LABEL_LINES - 1], last.rstrip() + "…"]
    return lines


def picture_grid(images: Float[Tensor, "B H W 3"], columns: int) -> np.ndarray:
    """A grid of pictures with `columns` per row and black borders of one pixel: [rows (H + 2), columns (W + 2), 3]."""
    images = functional.pad(images.float().cpu(), (0, 0, 1, 1, 1, 1))
    rows = [torch.cat(list(images[i : i + columns]), dim=1) for i in range(0, len(images), columns)]
    width = max(row.shape[1] for row in rows)
    return torch.cat([functional.pad(row, (0, 0, 0, width - row.shape[1])) for row in rows]).numpy()
