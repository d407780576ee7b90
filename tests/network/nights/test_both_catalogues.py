"""A night's report is the same from SQLite and from Firestore, which also keeps what units said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from google.cloud.firestore import Client as Database

from panoptes.network.catalog.catalog import Query
from panoptes.network.nights import nights_of, unit_night
from panoptes.network.site import Site
from tests.network.nights.simulated import CLOUDY, NIGHT, OBSERVING, SILENT
from tests.sites import COLLECTIONS

DARK = datetime(2026, 1, 15, 4, tzinfo=UTC)


def copy_documents(source: Site, target: Site) -> None:
    for collection in COLLECTIONS:
        for stored in source.catalog.query(Query(collection)):
            target.catalog.create(collection, stored.key, stored.fields)


def test_both_catalogues_tell_the_same_night(archive: Site, on_google: Site) -> None:
    copy_documents(archive, on_google)
    assert unit_night(on_google, OBSERVING, NIGHT) == unit_night(archive, OBSERVING, NIGHT)
    assert nights_of(on_google, limit=3) == nights_of(archive, limit=3)


def test_of_the_history_only_the_dark_hours_of_that_night_are_told(
    archive: Site, on_google: Site
) -> None:
    copy_documents(archive, on_google)
    database = Database(project=on_google.settings.catalog.removeprefix("firestore://"))
    records = database.collection("units").document(SILENT).collection("metadata")
    clear = {"is_safe": True, "cloud_safe": True, "cloud_condition": "Clear"}
    for hours, weather in ((-30, CLOUDY), (-6, CLOUDY), (0, CLOUDY), (2, CLOUDY), (3, clear)):
        moment = DARK + timedelta(hours=hours)
        records.add({**weather, "record_type": "weather", "received_time": moment})
    later = DARK + timedelta(hours=1)
    records.add({"ac_ok": False, "record_type": "power", "received_time": later})
    silent = unit_night(on_google, SILENT, NIGHT)
    assert silent.reasons == (
        "the weather is not safe (cloud: Very Cloudy) (04:00 to 06:00 UTC, by its own word)",
        "it has no mains power (05:00 to 06:00 UTC, by its own word)",
    )
    assert silent.sky.cloud == "very cloudy (67 %), clear (33 %)"
    assert unit_night(on_google, SILENT, "2026-01-10").reasons == (
        "not known: it sent no file and said nothing of itself in the dark",
    )
