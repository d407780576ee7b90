"""Small uploads of every type, made on the spot."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np

SEQUENCE_ID = "PAN001_14d3bd_20180216T110623"
SEQUENCE = "PAN001/14d3bd/20180216T110623"
IMAGE = f"{SEQUENCE}/20180216T112430"
LATER = f"{SEQUENCE}/20180216T112630"
UPLOADED = datetime(2018, 2, 17, 3, 0, 0, tzinfo=UTC)

CARDS: Mapping[str, str | int | float] = {
    "OBSERVER": "Mauna Loa",
    "LAT-OBS": 19.54,
    "LONG-OBS": -155.58,
    "ELEV-OBS": 3400.0,
    "FIELD": "Wasp 35",
    "CREATOR": "POCSv0.6.0",
    "ORIGIN": "Project PANOPTES",
    "FILTER": "RGGB",
    "EXPTIME": 120.125,
    "ISO": 100,
    "AIRMASS": 1.25,
    "RA-MNT": 76.33,
    "DEC-MNT": -6.23,
    "MEASRGGB": "471 1024 1025 733",
}


def tiny_fits(
    cards: Mapping[str, str | int | float | None] | None = None, *, seed: int = 0, rows: int = 12
) -> bytes:
    """A FITS file of `rows` x 16 unsigned 16-bit pixels; a card of None is left out."""
    from astropy.io import fits

    pixels = np.random.default_rng(seed).integers(0, 2**14, (rows, 16)).astype(np.uint16)
    hdu = fits.PrimaryHDU(pixels)
    for keyword, value in {**CARDS, **(cards or {})}.items():
        if value is not None:
            hdu.header[keyword] = value
    buffer = io.BytesIO()
    hdu.writeto(buffer)
    return buffer.getvalue()


def tiny_fits_fz(source: bytes | None = None) -> bytes:
    """The same image as a unit compresses it before it uploads: Rice tiles, one row each."""
    from panoptes.network.fits.archive import compress_fits

    return compress_fits(tiny_fits() if source is None else source, method="RICE_1").data


@cache
def tiny_cr2(*, seed: int = 0) -> bytes:
    """A camera raw of 64 x 96 samples that LibRaw and dcraw read."""
    from panoptes.network.simulator.canon_writer import Settings, cr2_bytes

    samples = np.random.default_rng(seed).integers(2048, 9000, (64, 96)).astype(np.uint16)
    return cr2_bytes(samples, Settings(taken=datetime(2018, 2, 16, 11, 24, 30)))


def jpeg(*, shade: int = 90, size: tuple[int, int] = (24, 16)) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", size, (shade, shade, shade)).save(buffer, "JPEG")
    return buffer.getvalue()


def mp4(*, picture: bytes = b"frames") -> bytes:
    return _box(b"ftyp", b"isom\0\0\2\0isom") + _box(b"mdat", picture) + _box(b"moov", b"index")


def _box(kind: bytes, content: bytes) -> bytes:
    return (8 + len(content)).to_bytes(4, "big") + kind + content


def place(folder: Path, name: str, data: bytes, *, moment: datetime = UPLOADED) -> Path:
    """Put an upload into a folder, as if it had arrived at `moment`."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (moment.timestamp(), moment.timestamp()))
    return path
