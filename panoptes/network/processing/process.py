"""Light curves of an observation: one Parquet file, and a document for each star's.

The file is written under a name that is new, read back and compared, before any document speaks
of it; the observation's word on its newest light curves is moved forward last. What was made of
the observation before stays beside it. Who is killed leaves nothing that is wrong: the next time
makes everything anew, under a later time.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from panoptes.network.catalog.catalog import Fields, modify
from panoptes.network.errors import ConfigurationError, TransientError
from panoptes.network.ingest.ledger import code_version
from panoptes.network.ingest.watchdog import progressed
from panoptes.network.light_curves.barycentre import Place, bjd_tdb
from panoptes.network.light_curves.detrending import External, detrend
from panoptes.network.light_curves.magnitudes import LightCurves, light_curves
from panoptes.network.light_curves.table import LightCurveTable, write_table
from panoptes.network.names import ObservationName, parse_sequence_id
from panoptes.network.photometry.measure import measure
from panoptes.network.photometry.measurements import Frame, Measurements
from panoptes.network.processing.exposures import (
    Exposure,
    FrameLost,
    LeftOut,
    exposures_of,
    of_one_shape,
    readable,
    solved,
    solved_pixels,
)
from panoptes.network.processing.star_documents import Run, write_star_documents
from panoptes.network.site import Site
from panoptes.network.stars.catalog import Stars, stars_in
from panoptes.network.stars.separation import separation
from panoptes.network.storage.store import ObjectStore

LEAST_FRAMES = 5
LEAST_STARS = 30
"""That frames can be compared by."""
MOST_STARS = 20_000
"""The brightest."""
MOST_POINTS = 2_000_000
"""Stars times frames, which are in memory together: half a kilobyte each."""
_MARGIN = 10
"""Pixels beyond the frame from which a star's light still falls on it."""


class CannotProcess(Exception):
    """There is nothing of which light curves could be made; the message says why, for people."""


@dataclass(frozen=True)
class Processed:
    """What was made of an observation."""

    sequence_id: str
    processed: datetime
    path: str
    """Of the Parquet file, in `measurements`."""
    frames: int
    stars: int
    """That have a light curve."""
    left_out: list[LeftOut] = field(default_factory=list)


def process(
    site: Site,
    sequence_id: str,
    *,
    extra: Stars | None = None,
    picids: Mapping[str, str] | None = None,
    moment: datetime | None = None,
    on_frame: Callable[[], None] = lambda: None,
) -> Processed:
    """Make light curves of an observation; `moment` names them, and is now by default.

    `extra` are stars that the packaged catalogue lacks, `picids` the TIC ids of stars by Gaia's.
    `on_frame` is called for each frame that is read. Raises CannotProcess, ConfigurationError
    and TransientError.
    """
    store = measurements_store(site)
    try:
        sequence = parse_sequence_id(sequence_id)
    except ValueError as error:
        raise CannotProcess(str(error)) from error
    observation = site.catalog.get("observations", sequence.sequence_id)
    if observation is None:
        raise CannotProcess(f"the catalogue has no observation {sequence.sequence_id}")
    moment = moment or _moment_after(observation.fields)

    def looked_at() -> None:
        progressed()
        on_frame()

    exposures, left = exposures_of(site, sequence.sequence_id, observation.fields)
    frames: list[Exposure] = []
    for each in solved(site, exposures, looked_at):
        if isinstance(each, LeftOut):
            left.append(each)
        else:
            frames.append(each)
    frames, others = of_one_shape(frames)
    left += others
    while True:
        _require(len(frames) >= LEAST_FRAMES, sequence, frames, left)
        stars = _stars(frames, extra)
        if len(stars) < LEAST_STARS:
            few = f"only {len(stars)} catalogued stars are on the frames of {sequence.sequence_id}"
            raise CannotProcess(f"{few}, and {LEAST_STARS} are needed to compare with")
        try:
            measured = measure([_reader(site, each, looked_at) for each in frames], stars)
            break
        except FrameLost:
            said = frames[0].has_mask
            frames, lost = readable(site, frames, looked_at)
            if not lost and frames[0].has_mask == said:
                raise TransientError("a frame could not be read, and then it could") from None
            left += lost
    curves = light_curves(measured)
    table = _table(site, sequence, frames, stars, measured, curves, moment)
    path = f"{sequence.folder}/{moment:%Y%m%dT%H%M%S%f}.parquet"
    _store(store, path, table)
    run = Run(sequence, moment, path)
    documented = write_star_documents(site.catalog, run, table, curves.scatter, picids or {})
    _point_to(site, sequence, path, moment)
    return Processed(
        sequence_id=sequence.sequence_id,
        processed=moment,
        path=path,
        frames=len(frames),
        stars=documented,
        left_out=sorted(left, key=lambda each: each.image_id),
    )


def _moment_after(observation: Fields) -> datetime:
    """Now; later than the last light curves of a clock that was ahead, so that these are the
    newest."""
    moment, last = datetime.now(UTC), observation.get("processed")
    return max(moment, last + timedelta(microseconds=1)) if isinstance(last, datetime) else moment


def measurements_store(site: Site) -> ObjectStore:
    """Where light curves lie. Raises ConfigurationError where the network has no such place."""
    store = site.measurements
    if store is None:
        raise ConfigurationError(
            "the network has no place for light curves: set `measurements` in its block (or "
            "PANOPTES_MEASUREMENTS) to a folder or gs://BUCKET/PREFIX"
        )
    store.check()
    return store


def _require(
    is_enough: bool, sequence: ObservationName, frames: list[Exposure], left: list[LeftOut]
) -> None:
    if is_enough:
        return
    said = f"of {sequence.sequence_id} {len(frames)} images can be used, and {LEAST_FRAMES} are"
    said += " needed"
    if left:
        said += f"; of {len(left)} others the first, {left[0].image_id}: {left[0].reason}"
    raise CannotProcess(said)


def _stars(frames: list[Exposure], extra: Stars | None) -> Stars:
    """Those whose light falls on a frame, as the solutions have it, the brightest first."""
    import numpy as np

    places = [each.wcs for each in frames if each.wcs is not None]
    rows, columns = places[0].shape
    middle = places[len(places) // 2]
    drift = max(separation(*each.crval, *middle.crval) for each in places)
    radius = math.hypot(rows, columns) / 2 * middle.scale / 3600 * 1.05 + drift
    when = frames[len(frames) // 2].middle
    stars = stars_in(*middle.crval, min(radius, 90.0), when, extra)
    seen = np.zeros(len(stars), bool)
    for wcs in places:
        x, y = wcs.to_pixels(stars.ra, stars.dec)
        seen |= (x > -_MARGIN) & (x < columns + _MARGIN) & (y > -_MARGIN) & (y < rows + _MARGIN)
    return stars.of(seen).of(slice(0, min(MOST_STARS, MOST_POINTS // len(frames))))


def _reader(site: Site, exposure: Exposure, looked_at: Callable[[], None]) -> Callable[[], Frame]:
    def read() -> Frame:
        pixels = solved_pixels(site, exposure)
        looked_at()
        assert exposure.wcs is not None
        return Frame(
            pixels,
            exposure.wcs,
            exposure.middle,
            exposure.seconds,
            exposure.airmass,
            exposure.has_mask,
        )

    return read


def _table(
    site: Site,
    sequence: ObservationName,
    frames: list[Exposure],
    stars: Stars,
    measured: Measurements,
    curves: LightCurves,
    moment: datetime,
) -> LightCurveTable:
    place = site.place(sequence.unit_id)
    detrended = detrend(curves.mag, curves.error, curves.flag, _external(measured), stars.g)
    about = {
        "sequence_id": sequence.sequence_id,
        "processed": moment.isoformat(),
        "code_version": code_version(),
        "bayer_pattern": measured.pattern,
    }
    return LightCurveTable(
        star_id=[str(each) for each in stars.star_id],
        ra=stars.ra,
        dec=stars.dec,
        g=stars.g,
        image_id=[each.image_id for each in frames],
        airmass=measured.airmass,
        time=bjd_tdb(
            measured.time, stars.ra, stars.dec, Place(*place[0], place[1]) if place else None
        ),
        x=measured.x,
        y=measured.y,
        channels=curves.channels,
        mag=curves.mag,
        error=curves.error,
        flag=curves.flag,
        mag_epd=detrended.mag_epd,
        mag_protected=detrended.mag_protected,
        about=about,
    )


def _external(measured: Measurements) -> External:
    import numpy as np

    first = measured.time[0]
    hours = np.array([(each - first).total_seconds() / 3600 for each in measured.time])
    sky = measured.sky.mean(axis=1)
    return External(hours, measured.airmass, measured.x, measured.y, sky)


def _store(store: ObjectStore, path: str, table: LightCurveTable) -> None:
    """Write under a name that nothing has, and read back. Raises TransientError."""
    file = io.BytesIO()
    write_table(table, file)
    data = file.getvalue()
    store.put(path, data, if_generation=0)
    if store.read(path)[0] != data:
        raise TransientError(f"{path} in measurements is not what was written")
    progressed()


def _point_to(site: Site, sequence: ObservationName, path: str, moment: datetime) -> None:
    """The observation's newest light curves, unless a later run was faster."""

    def forward(before: Fields | None) -> Fields | None:
        last = (before or {}).get("processed")
        if before is None or (isinstance(last, datetime) and last >= moment):
            return None
        return {"processed": moment, "measurements_path": path, "processing_lost": None}

    modify(site.catalog, "observations", sequence.sequence_id, forward)
