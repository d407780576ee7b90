"""A light curve as FITS that lightkurve opens: ``lightkurve.read("star.fits")``.

The first extension is what it reads: time, flux over its median, error and quality, with our
columns beside. Each further channel is an extension of its own, by its name.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from panoptes.network.light_curves.table import COMBINED, LightCurve
from panoptes.network.safe_text import one_line

if TYPE_CHECKING:
    from astropy.io.fits import BinTableHDU

ORIGIN = "PANOPTES"


def fits_file(curves: Sequence[LightCurve], *, software: str) -> bytes:
    """One star's channels, all colours together first, else in the order given.

    Times are BJD_TDB less the whole days of ``JDREFI``. Raises ValueError where there are none.
    """
    from astropy.io import fits

    if not curves:
        raise ValueError("a star without a light curve has no file")
    first = curves[0]
    primary = fits.PrimaryHDU()
    header = primary.header
    header["ORIGIN"] = ORIGIN, "who made this file"
    header["CREATOR"] = _card(software), "what made this file"
    header["OBJECT"] = _card(_name(first)), "the star"
    header["LABEL"] = _card(_name(first)), "the star, as lightkurve shows it"
    header["STARID"] = _card(first.star_id), "source_id of Gaia DR3, or the operator's"
    known = {
        "RA_OBJ": (first.ra, "[deg] ICRS"),
        "DEC_OBJ": (first.dec, "[deg] ICRS"),
        "GAIAMAG": (first.g, "[mag] G of the catalogue"),
    }
    for name, (value, words) in known.items():
        if math.isfinite(value):
            header[name] = value, words
    ordered = sorted(curves, key=lambda each: each.channel != COMBINED)
    tables = [_table(each) for each in ordered]
    file = io.BytesIO()
    fits.HDUList([primary, *tables]).writeto(file, checksum=True)
    return file.getvalue()


def _name(curve: LightCurve) -> str:
    return f"Gaia DR3 {curve.star_id}" if curve.star_id.isdecimal() else curve.star_id


def _card(text: str) -> str:
    return one_line(text, most=60).encode("ascii", "replace").decode()


def _table(curve: LightCurve) -> BinTableHDU:
    import numpy as np
    from astropy.io import fits

    flux, flux_error = curve.relative_flux()
    times = curve.time[np.isfinite(curve.time)]
    begun = math.floor(times.min()) if len(times) else 2_451_545
    columns = (
        ("TIME", "D", "d", curve.time - begun),
        ("FLUX", "D", None, flux),
        ("FLUX_ERR", "D", None, flux_error),
        ("QUALITY", "J", None, curve.flag),
        ("MAG", "D", "mag", curve.mag),
        ("MAG_ERR", "D", "mag", curve.error),
        ("MAG_EPD", "D", "mag", curve.mag_epd),
        ("MAG_PROTECTED", "D", "mag", curve.mag_protected),
        ("COLUMN", "D", "pixel", curve.x),
        ("ROW", "D", "pixel", curve.y),
        ("AIRMASS", "D", None, curve.airmass),
    )
    table = fits.BinTableHDU.from_columns(
        [fits.Column(name, form, unit, array=values) for name, form, unit, values in columns],
        name=_card(f"LIGHTCURVE_{curve.channel.upper()}"),
    )
    header = table.header
    header["CHANNEL"] = _card(curve.channel), "colour of the camera's mask, or all"
    header["TIMESYS"] = "TDB", "barycentric, of the middle of the exposure"
    header["TIMEREF"] = "SOLARSYSTEM"
    header["TIMEUNIT"] = "d"
    header["JDREFI"] = begun, "days to be added to TIME for BJD_TDB"
    header["JDREFF"] = 0.0
    if math.isfinite(curve.median):
        header["MAGMED"] = curve.median, "[mag] of flux 1"
    return table
