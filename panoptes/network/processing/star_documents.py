"""A document for each light curve that was made, and one for each star."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from panoptes.network.catalog.catalog import MOST_AT_ONCE, Catalog, Fields
from panoptes.network.documents import LightCurveSummary, Star, healpix_of
from panoptes.network.ingest.watchdog import progressed
from panoptes.network.light_curves.magnitudes import median_over_frames
from panoptes.network.light_curves.table import COMBINED, LightCurveTable
from panoptes.network.names import ObservationName

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEAST_SHARE = 0.2
"""Of the frames in which a star has to be good, or it has no document."""


@dataclass(frozen=True)
class Run:
    """One processing of an observation."""

    sequence: ObservationName
    moment: datetime
    path: str
    """Of its Parquet file, in `measurements`."""


def write_star_documents(
    catalog: Catalog,
    run: Run,
    table: LightCurveTable,
    scatter: NDArray[np.float64],
    picids: Mapping[str, str],
) -> int:
    """Write those that are not there yet; gives the number of light curves.

    `scatter` is by star and channel, magnitudes; `picids` are TIC ids by the table's ids.
    """
    import numpy as np

    combined = table.channels.index(COMBINED)
    good = (table.flag[:, :, combined] == 0) & np.isfinite(table.mag[:, :, combined])
    wanted = np.flatnonzero(good.mean(axis=0) >= LEAST_SHARE)
    told, sequence = _told(table, scatter), run.sequence
    stars: dict[str, Fields] = {}
    summaries: dict[str, Fields] = {}
    for at in wanted:
        star_id = table.star_id[at]
        picid = picids.get(star_id)
        key = picid or catalogue_key(star_id)
        ra, dec = float(table.ra[at]), float(table.dec[at])
        stars[key] = Star(
            star_id=star_id,
            picid=picid,
            ra=ra,
            dec=dec,
            g=round(float(table.g[at]), 4),
            healpix=healpix_of(ra, dec),
        ).fields()
        lcid = f"{key}_{run.moment:%Y%m%dT%H%M%S%f}"
        summaries[lcid] = LightCurveSummary(
            lcid=lcid,
            star=key,
            star_id=star_id,
            picid=picid,
            sequence_id=sequence.sequence_id,
            unit_id=sequence.unit_id,
            camera_id=sequence.camera_id,
            time=sequence.time,
            processed=run.moment,
            path=run.path,
            channels=told[at],
        ).fields()
    for collection, documents in (("stars", stars), ("lightcurves", summaries)):
        keys = list(documents)
        for start in range(0, len(keys), MOST_AT_ONCE):
            some = {key: documents[key] for key in keys[start : start + MOST_AT_ONCE]}
            catalog.create_missing(collection, some)
            progressed()
    return len(wanted)


def catalogue_key(star_id: str) -> str:
    """The key of a star that has no picid: ``gaia_dr3:SOURCE_ID``, or ``hip:NUMBER``."""
    number = star_id.removeprefix("HIP")
    return f"gaia_dr3:{star_id}" if number == star_id else f"hip:{number}"


def _told(table: LightCurveTable, scatter: NDArray[np.float64]) -> list[dict[str, Any]]:
    """By star: each channel's good points and their median magnitude, scatter and error."""
    import numpy as np

    good = (table.flag == 0) & np.isfinite(table.mag)
    points = good.sum(axis=0)
    mag = median_over_frames(np.where(good, table.mag, np.nan))
    error = median_over_frames(np.where(good, table.error, np.nan))
    return [
        {
            channel: {
                "points": int(points[star, index]),
                "mag": round(float(mag[star, index]), 4),
                "scatter": round(float(scatter[star, index]), 5),
                "error": round(float(error[star, index]), 5),
            }
            for index, channel in enumerate(table.channels)
            if points[star, index]
        }
        for star in range(len(table.star_id))
    ]
