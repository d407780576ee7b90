"""How an observation went, in plots."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from panoptes.network.nights.course import course_plot, courses

BEGUN = datetime(2018, 2, 16, 11, 24, 30, tzinfo=UTC)


def images(**values: list[Any]) -> list[dict[str, Any]]:
    count = len(next(iter(values.values())))
    return [
        {"time": BEGUN + timedelta(minutes=2 * at)} | {k: v[at] for k, v in values.items()}
        for at in range(count)
    ]


def test_what_changes_is_drawn_and_told_in_words() -> None:
    said = images(airmass=[1.25, 1.3, 1.5], camtemp=[11.0, 11.0, 11.0], moonsep=[80.0, 81.0, 82.0])
    found = courses(said)
    assert [each.quantity.field for each in found] == ["airmass", "moonsep"]
    drawn = course_plot(found[0])
    assert drawn.startswith("<svg")
    assert "1.25 to 1.50 airmass, 3 images." in drawn
    assert "minutes since 11:24:30 UTC" in drawn
    assert not {"style=", "<style", "http-equiv"} & set(drawn.split())


def test_what_is_no_number_says_nothing() -> None:
    assert courses(images(airmass=["1.2", None, float("nan")], camtemp=[1.0, "x", None])) == []
    assert courses([]) == []


def test_a_long_observation_is_drawn_with_what_can_be_told_apart() -> None:
    count = 6000
    (found,) = courses(images(airmass=[1.0 + n % 7 / 10 for n in range(count)]))
    drawn = course_plot(found)
    assert len(drawn) < 60_000
    assert f"1.00 to 1.60 airmass, {count} images." in drawn
