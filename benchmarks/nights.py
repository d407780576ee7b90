"""What a past night's report takes in a catalogue of 100,000 images, its plots included."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.frames import Frame
from benchmarks.measure import require
from benchmarks.observations import Observations
from benchmarks.report import Report
from panoptes.network.catalog.catalog import Fields, Query
from panoptes.network.catalog.sqlite import _INSERT, SqliteCatalog, _new_version, _to_json
from panoptes.network.documents import GeoPoint
from panoptes.network.ingest.lag import percentile
from panoptes.network.ingest.observation import ingest_observation
from panoptes.network.names import document_key
from panoptes.network.nights import nights_of, unit_night
from panoptes.network.nights.plots import lag_plot, sky_plot, timeline
from panoptes.network.nighttime import night_bounds, night_of
from panoptes.network.site import Site

_PLACE = GeoPoint(19.54, -155.58)
_FIRST = datetime(2025, 11, 1, tzinfo=UTC).date()
_OBSERVATIONS, _IMAGES, _CADENCE = 5, 50, 80.0
"""Of each of a unit's two cameras in a night: 500 images."""


def run(report: Report, frame: Frame, scratch: Path, *, quick: bool) -> None:
    units, nights = (2, 5) if quick else (20, 10)
    site = _network(frame, scratch / "nights", units, nights)
    night = (_FIRST + timedelta(days=nights - 2)).isoformat()
    times: dict[str, list[float]] = {"the report": [], "its plots": [], "a calendar": []}
    for round_ in range(30):
        begun = time.perf_counter()
        found = unit_night(site, f"PAN{2 + round_ % units:03d}", night)
        reported = time.perf_counter()
        plots = [plot(found) for plot in (timeline, sky_plot, lag_plot)]
        drawn = time.perf_counter()
        rows = nights_of(site, limit=60)
        moments = (reported - begun, drawn - reported, time.perf_counter() - drawn)
        for name, seconds in zip(times, moments, strict=True):
            times[name].append(1000 * seconds)
        require(found.lights == 2 * _OBSERVATIONS * _IMAGES, f"{found.lights} images")
        require(all(plots) and rows, "there is no plot, or no calendar")
    whole = [a + b for a, b in zip(times["the report"], times["its plots"], strict=True)]
    report.number("night_p95_ms", percentile(whole[1:], 0.95))
    images = int(site.catalog.aggregate(Query("images"))["count"])
    report.table(
        f"A unit's night of {found.lights} images, {images:,} in the catalogue",
        ("what", "median, ms", "p95"),
        [
            (name, *(f"{percentile(each[1:], share):.0f}" for share in (0.5, 0.95)))
            for name, each in times.items()
        ],
    )


def _network(frame: Frame, folder: Path, units: int, nights: int) -> Site:
    """One image really ingested, and its documents again under other names and times."""
    observations = Observations(folder)
    sequence = observations.upload((frame,), 1)
    ingest_observation(observations.site, sequence)
    site = observations.site
    (image,) = site.catalog.query(Query("images"))
    (observation,) = site.catalog.query(Query("observations"))
    files = [each.fields for each in site.catalog.query(Query("files"))]
    assert isinstance(site.catalog, SqliteCatalog)
    with site.catalog._file.transaction() as connection:
        for unit in range(units):
            unit_id = f"PAN{2 + unit:03d}"
            documents = _documents(unit_id, nights, observation.fields, image.fields, files)
            connection.executemany(
                _INSERT,
                ((kind, key, _new_version(), _to_json(each)) for kind, key, each in documents),
            )
    site.catalog.close()  # else all is read from a log that no other network lets grow so long
    return site


def _documents(
    unit_id: str, nights: int, observation: Fields, image: Fields, files: list[Fields]
) -> Iterator[tuple[str, str, Fields]]:
    yield "units", unit_id, {"name": unit_id, "location": _PLACE}
    for camera_id in ("0a5ee1", "0a5ee2"):
        camera = {"unit_id": unit_id, "camera_id": camera_id}
        yield "cameras", f"{unit_id}_{camera_id}", camera
        for number in range(nights * _OBSERVATIONS):
            noon, _ = night_bounds(
                _FIRST + timedelta(days=number // _OBSERVATIONS), _PLACE.longitude
            )
            seconds = number % _OBSERVATIONS * (_IMAGES * _CADENCE + 60)
            began = noon + timedelta(hours=7, seconds=seconds)
            sequence = f"{unit_id}_{camera_id}_{began:%Y%m%dT%H%M%S}"
            of_night: dict[str, Any] = {"night": night_of(began, _PLACE.longitude)}
            of_sequence = camera | {"sequence_id": sequence}
            yield (
                "observations",
                sequence,
                (observation | of_sequence | of_night | {"time": began, "num_images": _IMAGES}),
            )
            for index in range(_IMAGES):
                moment = began + timedelta(seconds=10 + index * _CADENCE)
                image_id = f"{unit_id}_{camera_id}_{moment:%Y%m%dT%H%M%S}"
                own = of_sequence | {"image_id": image_id}
                yield "images", image_id, image | own | of_night | {"time": moment}
                for each in files:
                    name = f"{sequence}_{moment:%Y%m%dT%H%M%S}.{each['file_type']}"
                    shift = moment + timedelta(seconds=90) - each["arrived"]
                    later = {
                        field: value + shift
                        for field, value in each.items()
                        if isinstance(value, datetime)
                    }
                    yield "files", document_key(name), each | own | {"name": name} | later
