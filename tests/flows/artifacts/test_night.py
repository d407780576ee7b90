"""Nothing in a night's artifact is markup that somebody else wrote."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from flows.artifacts.night import night_markdown, summary_row
from panoptes.network.nights.unit_night import (
    NightCase,
    NightObservation,
    Said,
    Sky,
    UnitNight,
)
from panoptes.network.site import Site

NOON = datetime(2026, 1, 14, 22, tzinfo=UTC)
HOSTILE = "|[x](https://evil.example)<img src=x onerror=alert(1)>\n# \x1b[31m"


def test_names_and_words_of_others_are_plain_text(tmp_path: Path) -> None:
    night = UnitNight(
        unit_id="PAN001",
        unit_name=HOSTILE,
        night="2026-01-14",
        start=NOON,
        end=NOON + timedelta(days=1),
        location=None,
        is_over=True,
        reasons=(HOSTILE,),
        said=(Said(HOSTILE, NOON, NOON, 1),),
        sky=Sky(cloud=HOSTILE),
        observations=(NightObservation(HOSTILE, HOSTILE, HOSTILE, NOON, HOSTILE, 1, 60.0, 0),),
        cases=(NightCase("Q1", HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, NOON, None),),
    )
    site = Site.in_folder(tmp_path, site_url="https://panoptes.example.org")
    for shown in (night_markdown(site, night), str(summary_row(night))):
        assert "](https://evil" not in shown
        assert "<img" not in shown.replace(r"\<img", "")
        assert "\x1b" not in shown
        assert "\n# \\" not in shown
