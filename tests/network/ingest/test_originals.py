"""Uploaded files got back from their archive."""

from __future__ import annotations

import io

import numpy as np
import pytest

from panoptes.network.fits.archive import compress_fits
from panoptes.network.ingest.originals import uploaded_bytes
from tests.files import jpeg, tiny_fits


def _extensions() -> bytes:
    """An empty primary HDU of its own, an image and a table."""
    from astropy.io import fits

    pixels = np.arange(24 * 32, dtype=np.int16).reshape(24, 32)
    column = fits.Column("x", "J", array=np.arange(5))
    hdus = fits.HDUList(
        [fits.PrimaryHDU(), fits.ImageHDU(pixels), fits.BinTableHDU.from_columns([column])]
    )
    buffer = io.BytesIO()
    hdus.writeto(buffer, checksum=True)
    return buffer.getvalue()


@pytest.mark.parametrize("method", ["GZIP_2", "RICE_1"])
@pytest.mark.parametrize(
    "fits",
    [tiny_fits(rows=200), tiny_fits(), _extensions()],
    ids=["tall", "small", "extensions"],
)
def test_a_fits_file_comes_back_to_the_byte(fits: bytes, method: str) -> None:
    archived = compress_fits(fits, method=method).data  # type: ignore[arg-type]
    assert fits in list(uploaded_bytes("fits", archived))


def test_anything_else_is_kept_as_it_came() -> None:
    assert list(uploaded_bytes("jpg", jpeg())) == [jpeg()]
