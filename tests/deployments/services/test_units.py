"""The units over HTTP: whether they are there, and what they said."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from google.cloud.firestore import Client as Database

from panoptes.network.site import Site
from tests.archives import small_archive
from tests.deployments.services.served import served
from tests.emulators.test_telemetry import upload_metadata


def test_every_unit_says_its_last_image_and_whether_it_is_registered(tmp_path: Path) -> None:
    site = small_archive(tmp_path)
    site.catalog.create("units", "PAN042", {"name": "New", "registered": datetime.now(UTC)})
    with served(site) as client:
        found = {each["unit_id"]: each for each in client.get("/units").json()}
        none = client.get("/units/PAN001/history")
    assert {name: each["is_registered"] for name, each in found.items()} == {
        "PAN001": False,
        "PAN012": False,
        "PAN042": True,
    }
    assert found["PAN001"]["last_image"]["image_id"] == "PAN001_14d3bd_20180216T112630"
    assert found["PAN042"]["last_image"] is found["PAN042"]["last_heard"] is None
    assert found["PAN001"]["is_safe"] is None
    assert none.status_code == 404
    assert "there is no history" in none.json()["message"]


def test_a_units_history_is_served_and_its_settings_are_not(on_google: Site) -> None:
    database = Database(project=on_google.settings.catalog.removeprefix("firestore://"))
    upload_metadata(database, "PAN042", "config", location={"horizon": 30}, password="hunter2")
    upload_metadata(database, "PAN042", "power", ac_ok=False)
    with served(on_google) as client:
        shown, said = client.get("/units"), client.get("/units/PAN042/history?limit=5")
        assert client.get("/units/__x__/history").status_code == 404
    assert shown.json()[0]["unsafe_because"] == ["it has no mains power"]
    assert [each["record_type"] for each in said.json()] == ["power"]
    assert "hunter2" not in shown.text + said.text
