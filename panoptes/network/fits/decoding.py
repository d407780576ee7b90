"""The pixels of a tiled image, whatever its coding."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from panoptes.network.fits.other_codings import decode_by_astropy
from panoptes.network.fits.tile_reader import TileTable
from panoptes.network.fits.tiles import Bytes, decode_runs


def decoded(table: TileTable, *, threads: int = 1) -> Iterable[Bytes]:
    """The image's bytes as FITS stores them, in order, piece by piece.

    Raises BadInput ``corrupt-data``.
    """
    decoder = table.decoder
    if decoder is None:
        return [decode_by_astropy(table)]
    parts = decode_runs(decoder, table.coded, table.counts, threads=threads)
    if table.in_order:
        return parts
    image = np.empty(table.shape, f">u{table.itemsize}")
    places = zip(table.blocks(), table.counts, strict=True)
    for part in parts:
        values = part.view(image.dtype)
        while values.size:
            block, count = next(places)
            image[block] = values[:count].reshape(image[block].shape)
            values = values[count:]
    return [image.reshape(-1).view(np.uint8)]
