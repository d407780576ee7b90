"""What it takes to find one of 100,000 observations, and what an image takes of the disk."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from benchmarks.frames import Frame
from benchmarks.measure import require
from benchmarks.observations import Observations
from benchmarks.report import Report
from panoptes.network.documents import SCHEMA_VERSION, folded, healpix_of
from panoptes.network.ingest.lag import percentile
from panoptes.network.ingest.observation import ingest_observation
from panoptes.network.nighttime import night_of
from panoptes.network.search import Cone, Wanted, find_observations
from panoptes.network.site import Site

_START = datetime(2016, 1, 1, tzinfo=UTC)


def run(report: Report, frame: Frame, scratch: Path, *, quick: bool) -> None:
    count, images = (5_000, 20) if quick else (100_000, 300)
    site = Site.in_folder(scratch / "searches")
    site.check()
    documents = _observations(count)
    while some := dict(islice(documents, 1_000)):
        site.catalog.create_missing("observations", some)
    rows, worst = [], 0.0
    for name, wanted in _kinds(count).items():
        times, found = [], 0
        for _ in range(30):
            begun = time.perf_counter()
            found = len(find_observations(site.catalog, wanted, limit=100).documents)
            times.append(1000 * (time.perf_counter() - begun))
        require(found, f"a search by {name} found nothing")
        worst = max(worst, percentile(times, 0.95))
        shown = (f"{percentile(times, share):.1f}" for share in (0.5, 0.95))
        rows.append((name, str(found), *shown))
    report.number("search_p95_ms", worst)
    report.table(
        f"First page of 100 of {count:,} observations, as the services ask for it",
        ("by", "found", "median, ms", "p95"),
        rows,
    )
    report.number("bytes_an_image", _bytes_an_image(frame, scratch, images))


def _observations(count: int) -> Iterator[tuple[str, dict[str, object]]]:
    for number in range(count):
        time_of = _START + timedelta(minutes=50 * number)
        unit, camera = f"PAN{number % 60 + 1:03d}", f"{number % 120:06x}"
        ra, dec = (number * 137.508) % 360, (number * 61.7) % 140 - 60
        key = f"{unit}_{camera}_{time_of:%Y%m%dT%H%M%S}"
        yield key, {
            "sequence_id": key, "unit_id": unit, "camera_id": camera, "time": time_of,
            "night": night_of(time_of, -155.0), "ra": ra, "dec": dec,
            "healpix": healpix_of(ra, dec), "field_name": f"Field {number % 997}",
            "field_folded": folded(f"Field {number % 997}"),
            "status": "received", "image_type": "light", "num_images": 20, "exptime": 120.0,
            "total_exptime": 2400.0, "tags": ["exoplanet"] if number % 50 else ["rare"],
            "schema_version": SCHEMA_VERSION,
        }  # fmt: skip


def _kinds(count: int) -> dict[str, Wanted]:
    """A search of each kind."""
    late = _START + timedelta(minutes=50 * count * 0.9)
    return {
        "nothing": Wanted(),
        "time": Wanted(start=late, end=late + timedelta(days=30)),
        "unit": Wanted(unit_ids=frozenset({"PAN042"})),
        "unit and time": Wanted(unit_ids=frozenset({"PAN042"}), start=late),
        "place": Wanted(cone=Cone(137.5, 1.7, 2.0)),
        "a large place": Wanted(cone=Cone(137.5, 1.7, 15.0)),
        "a fifth of the sky": Wanted(cone=Cone(137.5, 1.7, 60.0)),
        "field's name": Wanted(field_name="Field 500"),
        "part of a field's name": Wanted(field_name="*d 50*"),
        "tag": Wanted(tags=frozenset({"rare"})),
    }


def _bytes_an_image(frame: Frame, scratch: Path, images: int) -> float:
    """Of the SQLite file, ledger and documents together, by small images really ingested."""
    observations = Observations(scratch / "bytes", previews_wanted=False)
    catalog = scratch / "bytes" / "catalog.sqlite"
    sizes = []
    for count in (1, images):
        sequence = observations.upload((frame,), count, raws=False)
        ingest_observation(observations.site, sequence)
        observations.site.catalog.close()
        require(catalog.exists(), f"there is no {catalog}")
        sizes.append(catalog.stat().st_size)
        observations.site = Site.in_folder(scratch / "bytes", rest_seconds=0, previews_wanted=False)
        observations.site.check()
    return (sizes[1] - sizes[0]) / images
