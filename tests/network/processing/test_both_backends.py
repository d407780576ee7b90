"""Light curves are the same on folders with SQLite and on buckets with Firestore."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

from pyarrow import parquet

from panoptes.network.catalog.catalog import Query
from panoptes.network.processing.process import measurements_store, process
from panoptes.network.processing.star_history import star_history
from panoptes.network.site import Site
from tests import measured, sites
from tests.measured import SEQUENCE_ID

MOMENT = datetime(2026, 7, 24, 12, tzinfo=UTC)


def test_light_curves_are_the_same_on_folders_and_on_google(
    tmp_path: Path, on_google: Site
) -> None:
    folders = measured.ingested(tmp_path)
    for path in (tmp_path / "uploads").rglob("*.fits"):
        name = str(path.relative_to(tmp_path / "uploads"))
        on_google.store("incoming").put(name, path.read_bytes(), if_generation=0)
    sites.ingest_all(on_google)
    told = []
    for site in (folders, on_google):
        made = process(site, SEQUENCE_ID, moment=MOMENT)
        data, _ = measurements_store(site).read(made.path)
        table = parquet.read_table(io.BytesIO(data))
        documents = {
            collection: {s.key: s.fields for s in site.catalog.query(Query(collection))}
            for collection in ("stars", "lightcurves")
        }
        star = next(iter(documents["stars"]))
        told.append((made, table.to_pylist(), documents, star_history(site, star)))
    here, there = told
    assert here[0] == there[0]
    assert len(here[1]) > 500
    assert [str(row) for row in here[1]] == [str(row) for row in there[1]]  # NaN is not itself
    assert here[2:] == there[2:]
    again = process(on_google, SEQUENCE_ID)
    assert again.path != there[0].path
    assert len(list(measurements_store(on_google).list())) == 2
