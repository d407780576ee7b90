"""The search on a real catalog: what is found, in which order, and what it may ask."""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panoptes.network import search
from panoptes.network.catalog.catalog import Catalog, Query, Stored
from panoptes.network.catalog.firestore import FirestoreCatalog
from panoptes.network.catalog.sqlite import SqliteCatalog
from panoptes.network.documents import NAMES_FOLDED, Image, Observation, folded, healpix_of
from panoptes.network.nighttime import night_of
from panoptes.network.search import (
    BadCursor,
    Cone,
    TooMany,
    Wanted,
    all_images,
    all_observations,
    all_units,
    find_images,
    find_observations,
    read_cursor,
    write_cursor,
)
from tests.recording import missing_index

START = datetime(2018, 2, 16, 11, 6, 23, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "firestore"])
def catalog(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Catalog]:
    catalog: Catalog
    if request.param == "sqlite":
        catalog = SqliteCatalog(tmp_path / "catalog.sqlite")
    else:
        host: str = request.getfixturevalue("firestore_emulator")
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", host)
        catalog = FirestoreCatalog(f"test-{uuid.uuid4().hex[:20]}")
        catalog.create(*NAMES_FOLDED, {})
    catalog.check()
    asked: list[Query] = []
    answer = catalog.query

    def query(query: Query) -> Iterator[Stored]:
        asked.append(query)
        return answer(query)

    monkeypatch.setattr(catalog, "query", query)
    yield catalog
    # Firestore refuses what no index was declared for; its emulator does not.
    assert [missing_index(each) for each in asked if missing_index(each)] == []
    catalog.close()


def observe(
    catalog: Catalog,
    number: int,
    *,
    unit: str = "PAN001",
    camera: str = "14d3bd",
    place: tuple[float, float] | None = None,
    **fields: Any,
) -> str:
    """An observation `number` hours after the first; gives its id."""
    time = START + timedelta(hours=number)
    key = f"{unit}_{camera}_{time:%Y%m%dT%H%M%S}"
    if place is not None:
        fields |= {"ra": place[0], "dec": place[1], "healpix": healpix_of(*place)}
    if "field_name" in fields:
        fields["field_folded"] = folded(fields["field_name"])
    observation = Observation(
        sequence_id=key, unit_id=unit, camera_id=camera, time=time, night=night_of(time, None)
    )
    catalog.create("observations", key, observation.fields() | fields)
    return key


def keys(catalog: Catalog, **wanted: Any) -> list[str]:
    page = find_observations(catalog, Wanted(**wanted))
    assert page.following is None
    return [stored.key for stored in page.documents]


def test_the_newest_observations_come_first(catalog: Catalog) -> None:
    made = [observe(catalog, n) for n in range(5)]
    assert keys(catalog) == made[::-1]
    assert [each.key for each in all_observations(catalog, Wanted())] == made


def test_a_name_is_found_before_names_were_folded_and_after(catalog: Catalog) -> None:
    """A database in Firestore, whose earlier documents `adopt` has not been over yet."""
    old = observe(catalog, 0, field_name="Wasp 35")
    stored = catalog.get("observations", old)
    assert stored is not None
    catalog.update("observations", old, {}, version=stored.version, remove=["field_folded"])
    new = observe(catalog, 1, field_name="WASP 35")
    noted = catalog.get(*NAMES_FOLDED)
    assert noted is not None
    assert keys(catalog, field_name="wasp 35") == [new]
    catalog.delete(*NAMES_FOLDED, version=noted.version)
    assert keys(catalog, field_name="wasp 35") == [new, old]


def test_every_filter_narrows_the_search(catalog: Catalog) -> None:
    a = observe(catalog, 0, status="received", num_images=3, field_name="M42")
    b = observe(catalog, 1, unit="PAN012", camera="358d0f", num_images=9, field_name="Wasp 35 b")
    c = observe(catalog, 2, unit="PAN012", camera="ee04d1", field_name="m42")
    assert keys(catalog, unit_ids=frozenset({"PAN012"})) == [c, b]
    assert keys(catalog, unit_ids=frozenset({"PAN012", "PAN001"})) == [c, b, a]
    assert keys(catalog, camera_ids=frozenset({"358d0f"})) == [b]
    assert keys(catalog, camera_ids=frozenset({"358d0f"}), unit_ids=frozenset({"PAN001"})) == []
    assert keys(catalog, statuses=frozenset({"received"})) == [a]
    assert keys(catalog, min_num_images=3) == [b, a]
    assert keys(catalog, max_num_images=3) == [c, a]
    assert keys(catalog, field_name="M42") == [c, a]
    assert keys(catalog, field_name="wasp  35*") == [b]
    assert keys(catalog, field_name="[m]42") == []
    hour = timedelta(hours=1)
    assert keys(catalog, start=START + hour) == [c, b]
    assert keys(catalog, end=START + hour) == [b, a]
    assert keys(catalog, start=START + hour, end=START + hour, unit_ids=frozenset({"PAN012"})) == [
        b
    ]


@pytest.mark.parametrize(
    ("place", "inside", "outside"),
    [
        ((0.0, 10.0), [(359.5, 10.0), (0.9, 10.4), (359.2, 9.6)], [(358.5, 10.0), (1.5, 10.0)]),
        ((123.0, 89.9), [(303.0, 89.5), (33.0, 89.2), (0.0, 90.0)], [(303.0, 88.8), (123.0, 88.0)]),
        ((0.0, -90.0), [(77.0, -89.1), (200.0, -90.0)], [(77.0, -88.9)]),
        ((180.0, 0.0), [(180.99, 0.0), (180.0, -0.99)], [(180.8, 0.8), (179.0, 0.2)]),
    ],
)
def test_a_cone_is_right_at_right_ascension_0_and_at_the_poles(
    catalog: Catalog,
    place: tuple[float, float],
    inside: list[tuple[float, float]],
    outside: list[tuple[float, float]],
) -> None:
    wanted = [observe(catalog, n, place=each) for n, each in enumerate(inside)]
    for n, each in enumerate(outside):
        observe(catalog, 100 + n, place=each)
    observe(catalog, 200)  # nobody knows where
    assert keys(catalog, cone=Cone(*place, 1.0)) == wanted[::-1]


def test_a_cone_and_other_filters_hold_together(catalog: Catalog) -> None:
    observe(catalog, 0, place=(10.0, 10.0))
    wanted = observe(catalog, 1, unit="PAN012", place=(10.1, 10.0))
    cone = Cone(10.0, 10.0, 1.0)
    assert keys(catalog, cone=cone, unit_ids=frozenset({"PAN012"})) == [wanted]
    assert keys(catalog, cone=cone, end=START)[0].startswith("PAN001")


def test_the_whole_sky_holds_everything_that_has_a_place(catalog: Catalog) -> None:
    for n in range(20):
        observe(catalog, n, place=(n * 17.0 % 360, math.degrees(math.asin(n / 10 - 1))))
    assert len(keys(catalog, cone=Cone(12.0, 34.0, 180.0))) == 20


@pytest.mark.parametrize("cone", [None, Cone(10.0, 10.0, 5.0)])
def test_pages_hold_everything_once_even_where_times_are_equal(
    catalog: Catalog, cone: Cone | None
) -> None:
    made = {
        observe(catalog, n // 4, unit=f"PAN{n:03d}", place=(10.0, 10.0 + n / 10)) for n in range(21)
    }
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = find_observations(catalog, Wanted(cone=cone), limit=4, cursor=cursor)
        found += [each.key for each in page.documents]
        cursor = page.following
        if cursor is None:
            break
        assert len(page.documents) == 4
    assert len(found) == 21
    assert set(found) == made


def test_one_page_looks_at_so_many_documents_and_no_more(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MAX_LOOKED_AT", 10)
    wanted = observe(catalog, 0, field_name="M42")
    for n in range(1, 25):
        observe(catalog, n)
    pages: list[list[str]] = []
    cursor: str | None = None
    while not pages or cursor is not None:
        page = find_observations(catalog, Wanted(field_name="M4*"), cursor=cursor)
        pages.append([each.key for each in page.documents])
        cursor = page.following
    assert pages == [[], [], [wanted]]


def test_a_wide_cone_is_searched_by_time_page_by_page(catalog: Catalog) -> None:
    inside = [observe(catalog, n, place=(10.0 + n, 5.0)) for n in range(0, 20, 2)]
    for n in range(1, 20, 2):
        observe(catalog, n, place=(100.0 + n, 5.0))
    observe(catalog, 20)
    wanted = Wanted(cone=Cone(20.0, 5.0, 30.0))
    first = find_observations(catalog, wanted, limit=6)
    rest = find_observations(catalog, wanted, limit=6, cursor=first.following)
    found = [each.key for each in first.documents + rest.documents]
    assert (found, rest.following) == (inside[::-1], None)
    assert [each.key for each in all_observations(catalog, wanted)] == inside


def test_a_cone_that_finds_too_much_says_how_to_narrow_it(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MAX_IN_CONE", 3)
    for n in range(4):
        observe(catalog, n, place=(10.0, 10.0))
    with pytest.raises(TooMany, match="smaller radius"):
        find_observations(catalog, Wanted(cone=Cone(10.0, 10.0, 1.0)))


@pytest.mark.parametrize("most", [3, 100])
def test_all_in_a_cone_come_in_the_order_of_time_however_few_are_held(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(search, "MAX_SORTED", most)
    made = [observe(catalog, n, place=(10.0, 14.0 - n)) for n in range(8)]
    observe(catalog, 20, place=(40.0, 10.0))
    assert [each.key for each in all_observations(catalog, Wanted(cone=Cone(10, 10, 9)))] == made


def test_documents_of_other_programs_are_no_obstacle(catalog: Catalog) -> None:
    catalog.create("observations", "foreign", {"time": "yesterday", "ra": "12h"})
    catalog.create("observations", "bare", {"healpix": healpix_of(10.0, 10.0)})
    mine = observe(catalog, 0, place=(10.0, 10.0))
    assert keys(catalog) == [mine]
    assert keys(catalog, cone=Cone(10.0, 10.0, 1.0)) == [mine]


def test_images_of_an_observation_come_in_the_order_of_time(catalog: Catalog) -> None:
    sequence_id = observe(catalog, 0)
    for n in (3, 1, 2, 0):
        time = START + timedelta(minutes=n)
        image = Image(
            image_id=f"i{n}", sequence_id=sequence_id, unit_id="PAN001", camera_id="14d3bd",
            uid=f"{sequence_id}_{n}", time=time, night="2018-02-15",
        )  # fmt: skip
        catalog.create("images", f"i{n}", image.fields())
    assert [each.key for each in all_images(catalog, sequence_id)] == ["i0", "i1", "i2", "i3"]
    first = find_images(catalog, sequence_id, limit=3)
    assert [each.key for each in first.documents] == ["i0", "i1", "i2"]
    last = find_images(catalog, sequence_id, limit=3, cursor=first.following)
    assert ([each.key for each in last.documents], last.following) == (["i3"], None)


def test_units_are_listed_by_their_ids(catalog: Catalog) -> None:
    for unit in ("PAN012", "PAN001"):
        catalog.create("units", unit, {"name": unit})
    assert [each.key for each in all_units(catalog)] == ["PAN001", "PAN012"]


@given(st.text(max_size=60) | st.from_regex(r"[A-Za-z0-9_-]{1,60}", fullmatch=True))
def test_a_cursor_is_read_or_refused(text: str) -> None:
    try:
        stored = read_cursor(text, "observations")
    except BadCursor:
        return
    assert read_cursor(write_cursor(stored), "observations") == stored
