"""Several pictures in one, small enough to be sent along with a text."""

from __future__ import annotations

import io
from collections.abc import Sequence


def contact_sheet(pictures: Sequence[bytes], *, columns: int = 3, side: int = 240) -> bytes:
    """A JPEG of these JPEGs in rows of `columns`, each within a square of `side` pixels.

    Raises ValueError where there is none, and OSError for what is no picture.
    """
    from PIL import Image

    if not pictures:
        raise ValueError("a contact sheet needs a picture")
    small = []
    for data in pictures:
        with Image.open(io.BytesIO(data)) as picture:
            picture.draft("RGB", (side, side))  # decoded at a fraction of its size
            shown = picture.convert("RGB")
        shown.thumbnail((side, side))
        small.append(shown)
    width, height = (max(each.size[axis] for each in small) for axis in (0, 1))
    rows = -(-len(small) // columns)
    gap = 4
    across = min(columns, len(small)) * (width + gap) - gap
    sheet = Image.new("RGB", (across, rows * (height + gap) - gap))
    for number, each in enumerate(small):
        row, column = divmod(number, columns)
        sheet.paste(each, (column * (width + gap), row * (height + gap)))
    out = io.BytesIO()
    sheet.save(out, "JPEG", quality=75)
    return out.getvalue()
