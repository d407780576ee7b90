"""What a unit says of itself is read as its control software writes it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from panoptes.network.catalog.catalog import Stored
from panoptes.network.site import Site
from panoptes.network.units.report import unit_report
from panoptes.network.units.telemetry import NoHistory, Safety, history, last_said, safety_of
from tests import sites
from tests.archives import small_archive

NOW = datetime(2026, 6, 12, 8, 30, tzinfo=UTC)
JUST_NOW = NOW - timedelta(seconds=40)
WEATHER: dict[str, Any] = {
    "ambient_temp": 11.2, "sky_temp": -21.0, "wind_speed": 3.1, "rain_frequency": 2600, "pwm": 12,
    "cloud_condition": "clear", "wind_condition": "calm", "rain_condition": "dry",
    "cloud_safe": True, "wind_safe": True, "rain_safe": True, "is_safe": True,
}  # fmt: skip
POWER: dict[str, Any] = {"main": 1, "fans": 1, "cameras": 0, "ac_ok": True, "battery_low": False}
SAFETY: dict[str, Any] = {
    "ac_power": True, "is_dark": True, "good_weather": True,
    "free_space_root": True, "free_space_images": True,
}  # fmt: skip


def said(at: datetime = JUST_NOW, **records: dict[str, Any]) -> dict[str, Any]:
    """A unit's document as POCS merges it: the data, its date as text, and the server's time."""
    date = at.strftime("%Y-%m-%d %H:%M:%S.%f")
    metadata = {k: {**v, "date": date, "received_time": at} for k, v in records.items()}
    return {"name": "Mauna Loa", "metadata": metadata, "last_updated": at}


def test_a_unit_in_a_good_night_is_safe() -> None:
    document = said(weather=WEATHER, power=POWER, safety=SAFETY)
    assert safety_of(document, NOW) == Safety(True, (), JUST_NOW)
    assert last_said(document, NOW) == JUST_NOW


@pytest.mark.parametrize(
    ("kind", "record", "reason"),
    [
        ("safety", {**SAFETY, "ac_power": False}, "it has no mains power"),
        ("power", {**POWER, "ac_ok": 0}, "it has no mains power"),
        ("power", {**POWER, "battery_low": 1}, "its battery is low"),
        ("safety", {**SAFETY, "is_dark": False}, "it is not dark"),
        ("safety", {**SAFETY, "good_weather": False}, "the weather is not safe"),
        ("safety", {**SAFETY, "free_space_root": False}, "its system disk is nearly full"),
        ("safety", {**SAFETY, "free_space_images": False}, "its disk for images is nearly full"),
        (
            "weather",
            {
                **WEATHER,
                "is_safe": False,
                "cloud_safe": False,
                "cloud_condition": "very cloudy",
                "rain_safe": False,
                "rain_condition": "\x1b[31mwet",
            },
            "the weather is not safe (cloud: very cloudy, rain: \\x1b[31mwet)",
        ),
        ("weather", {"is_safe": False}, "the weather is not safe"),
    ],
)
def test_why_a_unit_is_not_safe_is_said_in_words(
    kind: str, record: dict[str, Any], reason: str
) -> None:
    records = {"weather": WEATHER, "power": POWER, "safety": SAFETY, kind: record}
    document = said(JUST_NOW, **records)
    found = safety_of(document, NOW)
    assert (found.is_safe, found.reasons) == (False, (reason,))


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"metadata": "no map"},
        {"metadata": {"weather": ["no map"], "safety": None}},
        said(weather={"is_safe": "yes", "cloud_safe": None}, safety={"is_dark": "dark"}),
        said(NOW - timedelta(hours=2), weather=WEATHER, safety={**SAFETY, "is_dark": False}),
        said(NOW + timedelta(days=1), weather=WEATHER),
    ],
    ids=["nothing", "text", "other kinds", "other words", "long ago", "in the future"],
)
def test_what_does_not_tell_leaves_safety_unknown(document: dict[str, Any]) -> None:
    assert safety_of(document, NOW).is_safe is None
    assert safety_of(document, NOW).reasons == ()


def test_a_time_that_lies_ahead_does_not_keep_a_unit_from_falling_silent() -> None:
    ahead = said(NOW + timedelta(days=1), weather=WEATHER)
    ahead["metadata"]["state"] = {"source": "parking", "date": "2026-06-11T20:00:00+00:00"}
    assert last_said(ahead, NOW) == datetime(2026, 6, 11, 20, tzinfo=UTC)


def test_a_record_without_a_time_of_its_own_has_that_beside_it() -> None:
    document = {"metadata": {"safety": SAFETY, "received_time": JUST_NOW}}
    assert safety_of(document, NOW) == Safety(True, (), JUST_NOW)


# Of a whole network


def report_of(site: Site, unit_id: str, **fields: Any) -> dict[str, Any]:
    return dict(unit_report(site, Stored("units", unit_id, fields, ""), now=NOW))


def test_the_report_says_when_a_unit_was_last_heard_of_and_its_last_image(tmp_path: Path) -> None:
    site = small_archive(tmp_path)
    found = unit_report(site, _unit(site, "PAN001"))
    assert found["last_image"] == {
        "image_id": "PAN001_14d3bd_20180216T112630",
        "time": "2018-02-16T11:26:30Z",
    }
    assert found["last_heard"] == max(
        entry["arrived"].isoformat().replace("+00:00", "Z")
        for key, entry in sites.documents(site).items()
        if key.startswith("files/PAN001")
    )
    assert found["is_registered"] is False
    assert found["num_images"] == 2


def test_a_unit_that_only_tells_of_itself_has_no_image(tmp_path: Path) -> None:
    found = report_of(sites.drained(tmp_path), "PAN009", **said(weather=WEATHER, config={"a": 1}))
    assert (found["last_heard"], found["last_image"]) == ("2026-06-12T08:29:20Z", None)
    assert found["is_safe"] is True
    assert set(found["metadata"]) == {"weather"}, "its settings are shown to nobody"


def test_a_catalogue_in_a_file_says_that_it_has_no_history(tmp_path: Path) -> None:
    with pytest.raises(NoHistory, match="Firestore"):
        history(sites.drained(tmp_path).catalog, "PAN001", limit=3)


def _unit(site: Site, unit_id: str) -> Stored:
    stored = site.catalog.get("units", unit_id)
    assert stored is not None
    return stored
