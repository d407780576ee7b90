"""Several pictures in one, small enough to be sent along with a text."""

from __future__ import annotations

import io
from collections.abc import Sequence

GAP = 4
"""Pixels between them."""


def contact_sheet(thumbnails: Sequence[bytes], *, columns: int = 3) -> bytes:
    """A JPEG of these small JPEGs (`panoptes.network.pictures.thumbnail`), `columns` in a row.

    Raises ValueError where there is none.
    """
    from PIL import Image

    if not thumbnails:
        raise ValueError("a contact sheet needs a picture")
    small = [Image.open(io.BytesIO(each)) for each in thumbnails]
    width, height = (max(each.size[axis] for each in small) + GAP for axis in (0, 1))
    rows = -(-len(small) // columns)
    sheet = Image.new("RGB", (min(columns, len(small)) * width - GAP, rows * height - GAP))
    for number, each in enumerate(small):
        row, column = divmod(number, columns)
        sheet.paste(each.convert("RGB"), (column * width, row * height))
    out = io.BytesIO()
    sheet.save(out, "JPEG", quality=75)
    return out.getvalue()
