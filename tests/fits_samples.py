"""Small FITS files for tests, built card by card so that they may also be wrong."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from panoptes.network.fits.cards import CARD, format_card, header_bytes

Array: TypeAlias = NDArray[np.generic]
BITPIX = {"u1": 8, "i2": 16, "i4": 32, "i8": 64, "f4": -32, "f8": -64}


def card(text: str | bytes) -> bytes:
    """A card from its text as it stands, filled with blanks."""
    raw = text.encode("ascii") if isinstance(text, str) else text
    return raw.ljust(CARD)


def image(pixels: Array, cards: Sequence[bytes] = (), *, extension: bool = False) -> bytes:
    """An image HDU with `cards` behind those of its structure."""
    kind = pixels.dtype.str[1:]
    structure = [
        format_card("XTENSION", "IMAGE") if extension else format_card("SIMPLE", True),
        format_card("BITPIX", BITPIX[kind]),
        format_card("NAXIS", pixels.ndim),
        *(format_card(f"NAXIS{n}", size) for n, size in enumerate(pixels.shape[::-1], 1)),
    ]
    if extension:
        structure += [format_card("PCOUNT", 0), format_card("GCOUNT", 1)]
    data = pixels.astype(pixels.dtype.newbyteorder(">")).tobytes()
    return header_bytes([*structure, *cards]) + data + bytes(-len(data) % 2880)


def primary(*cards: bytes) -> bytes:
    """A primary HDU without data."""
    return header_bytes(
        [
            format_card("SIMPLE", True),
            format_card("BITPIX", 8),
            format_card("NAXIS", 0),
            format_card("EXTEND", True),
            *cards,
        ]
    )


def frame(height: int = 70, width: int = 90, *, seed: int = 1) -> NDArray[np.int16]:
    """A small sensor frame as it is stored: noise about a bias of 2048, less 32768."""
    noise = np.random.default_rng(seed).normal(2048, 12, (height, width))
    return (noise - 32768).astype(np.int16)


UNSIGNED = (format_card("BZERO", 32768), format_card("BSCALE", 1))


def noise(kind: str, shape: tuple[int, ...]) -> Array:
    """Pixels of any bits."""
    raw = np.random.default_rng(7).integers(0, 256, int(np.prod(shape)) * int(kind[1]), "u1")
    return raw.view(kind).reshape(shape)


def stored_bytes(pixels: Array | None) -> bytes:
    """Pixels as FITS stores them."""
    assert pixels is not None
    return np.asarray(pixels).astype(pixels.dtype.newbyteorder(">")).tobytes()


def changed(data: bytes, place: int) -> bytes:
    """The same bytes but for one bit."""
    altered = bytearray(data)
    altered[place] ^= 1
    return bytes(altered)


def fz_of(pixels: Array, **options: object) -> bytes:
    """The pixels as astropy compresses them."""
    from astropy.io import fits

    made = io.BytesIO()
    hdus = fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(pixels, **options)])
    hdus.writeto(made, checksum=True)
    return made.getvalue()


def mutated(file: bytes, generator: random.Random) -> bytes:
    """The file with one to five random injuries."""
    data = bytearray(file)
    for _ in range(generator.choice((1, 1, 2, 5))):
        place = generator.randrange(len(data))
        kind = generator.randrange(5)
        if kind == 0:
            data[place] ^= 1 << generator.randrange(8)
        elif kind == 1:
            data[place:place] = generator.randbytes(generator.choice((1, 4, 80)))
        elif kind == 2:
            data[place : place + 100] = bytes(len(data[place : place + 100]))
        elif kind == 3:
            header = generator.randrange(min(len(data), 8640))
            data[header] = generator.choice(b"0123456789'/=TF -AZ")
        else:
            del data[max(place, 1) :]
    return bytes(data)
