"""Telemetry in Firestore, written by Google's library as POCS writes it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from google.cloud import firestore
from google.cloud.firestore import Client as Database

from panoptes.network.catalog.catalog import Query
from panoptes.network.site import Site
from panoptes.network.units.report import unit_reports
from panoptes.network.units.telemetry import history


@pytest.fixture
def site(on_google: Site) -> Site:
    return on_google


def upload_metadata(database: Database, unit_id: str, kind: str, **data: object) -> None:
    """As `pocs network upload-metadata` does for each change of a record."""
    record = {
        **data,
        "date": datetime.now(UTC).isoformat(),
        "received_time": firestore.SERVER_TIMESTAMP,
    }
    unit = database.collection("units").document(unit_id)
    merged = {"metadata": {kind: record}, "last_updated": firestore.SERVER_TIMESTAMP}
    unit.set(merged, merge=True)
    unit.collection("metadata").add({**record, "record_type": kind})


def test_a_units_word_is_read_with_its_history(site: Site) -> None:
    project = site.settings.catalog.removeprefix("firestore://")
    database = Database(project=project)
    upload_metadata(database, "PAN042", "weather", is_safe=True, sky_temp=-20.5)
    upload_metadata(database, "PAN042", "safety", is_dark=False, good_weather=True)
    upload_metadata(database, "PAN042", "weather", is_safe=False, sky_temp=-3.5)
    database.collection("units").document("PAN043").collection("metadata").add({"of": "another"})
    (found,) = unit_reports(site)
    assert found["unit_id"] == "PAN042"
    assert found["is_safe"] is False
    assert found["unsafe_because"] == ["it is not dark", "the weather is not safe"]
    heard = datetime.fromisoformat(str(found["last_heard"]))
    assert abs(datetime.now(UTC) - heard) < timedelta(minutes=5)
    said = history(site.catalog, "PAN042", limit=2)
    assert [(each["record_type"], each.get("sky_temp")) for each in said] == [
        ("weather", -3.5),
        ("safety", None),
    ]
    assert [each.key for each in site.catalog.query(Query("units"))] == ["PAN042"]
