"""Nights over HTTP: a calendar, a night of all units, and one unit's."""

from __future__ import annotations

from pathlib import Path

from tests.archives import small_archive
from tests.deployments.services.served import served


def test_nights_are_served_from_the_calendar_to_a_units_report(tmp_path: Path) -> None:
    site = small_archive(tmp_path)
    site.catalog.create("units", "pocs", {"name": "other software's"})
    with served(site) as client:
        calendar = client.get("/nights", params={"limit": 1}).json()
        earlier = client.get("/nights", params={"before": calendar["next"]}).json()
        (row,) = earlier["nights"]
        everyone = client.get(f"/nights/{row['night']}").json()
        report = client.get(f"/nights/{row['night']}/PAN001").json()
        refused = [client.get(path) for path in ("/nights/today", "/nights/2018-02-15/PAN999")]
        short = client.get("/nights/20180215").json()
    assert [each["unit_id"] for each in calendar["nights"]] == ["PAN012"]
    assert earlier["next"] is None
    assert (row["night"], row["unit_id"], row["images"]) == ("2018-02-15", "PAN001", 2)
    assert [each["unit_id"] for each in everyone["units"]] == ["PAN001", "PAN012"]
    assert everyone["units"][0] == report
    assert (report["lights"], report["files"]) == (2, 3)
    assert everyone["units"][1]["reasons"] == ["not known"]
    assert [each.status_code for each in refused] == [404, 404]
    assert "names no night" in refused[0].json()["message"]
    assert short["night"] == "2018-02-15"
