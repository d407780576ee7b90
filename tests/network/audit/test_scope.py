"""Which observations a night and a unit mean."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panoptes.network.audit.scope import Scope, read_night, sequence_of
from panoptes.network.nighttime import night_bounds, night_of


@given(st.floats(-180, 360), st.dates(date(2014, 1, 1), date(2040, 1, 1)))
def test_a_night_begins_and_ends_where_the_catalogue_counts_it(east: float, night: date) -> None:
    begin, end = night_bounds(night, east)
    second = timedelta(seconds=1)
    assert night_of(begin, east) == night.isoformat()
    assert night_of(end - second, east) == night.isoformat()
    assert night_of(begin - second, east) < night.isoformat() < night_of(end, east)


def test_without_a_longitude_nights_are_counted_from_greenwich() -> None:
    begin, _ = night_bounds(date(2018, 2, 16), None)
    assert begin == datetime(2018, 2, 16, 12, tzinfo=UTC)


@pytest.mark.parametrize("text", ["20180216", "2018-02-16"])
def test_a_night_is_written_with_or_without_dashes(text: str) -> None:
    assert read_night(text) == date(2018, 2, 16)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("PAN001/14d3bd/20180216T110623/20180216T112430.fits.fz", "PAN001_14d3bd_20180216T110623"),
        ("PAN001/14d3bd/20180216T110623.mp4", "PAN001_14d3bd_20180216T110623"),
        ("PAN001/14d3bd/20180216T1106231/x.jpg", None),
        ("PAN001/14d3bd/20181316T110623/x.jpg", None),
        ("PAN001/Wasp 35/14d3bd/20180216T110623/x.jpg", None),
        ("notes.txt", None),
    ],
)
def test_an_object_belongs_to_the_observation_whose_folder_it_is_in(
    path: str, expected: str | None
) -> None:
    assert sequence_of(path) == expected


def test_everything_is_meant_where_nothing_is_said() -> None:
    assert Scope.of(None, None) == Scope(None, None)
    with pytest.raises(ValueError, match="names no unit"):
        Scope.of(None, "PAN0011")
