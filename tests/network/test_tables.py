"""Tables of the catalogue, as files that everybody reads."""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from panoptes.network.catalog.catalog import Query, Stored
from panoptes.network.errors import ConfigurationError
from panoptes.network.settings import NetworkSettings
from panoptes.network.site import Site
from panoptes.network.tables import TABLES, Table, export_table
from tests import sites
from tests.archives import OTHER, SEQUENCE_ID, small_archive
from tests.memory import peak_of

OBSERVATIONS, RECENT, WEEKLY, IMAGES = TABLES


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Two observations, of two units, half a year apart."""
    return small_archive(tmp_path).changed(tables=str(tmp_path / "public"))


def published(site: Site, name: str) -> str:
    assert site.settings.tables is not None
    return (Path(site.settings.tables) / name).read_text()


def rows(site: Site, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(published(site, name))))


def add_observations(site: Site, count: int, **fields: Any) -> None:
    for number in range(count):
        moment = datetime(2021, 1, 1, tzinfo=UTC) + timedelta(minutes=number)
        key = f"PAN003_14d3bd_{moment:%Y%m%dT%H%M%S}"
        document = {"sequence_id": key, "unit_id": "PAN003", "time": moment}
        site.catalog.create("observations", key, document | fields)


def test_all_observations_are_published_the_oldest_first(site: Site) -> None:
    exported = export_table(site, OBSERVATIONS)
    assert str(exported) == "observations.csv: 2 rows"
    assert [row["sequence_id"] for row in rows(site, "observations.csv")] == [SEQUENCE_ID, OTHER]
    first = rows(site, "observations.csv")[0]
    assert (first["field_name"], first["num_images"]) == ("M42", "2")
    assert first["time"] == "2018-02-16 11:06:23.000000+00:00"


def test_the_recent_ones_are_published_the_newest_first(site: Site) -> None:
    add_observations(site, 120)
    export_table(site, RECENT)
    found = [row["time"] for row in rows(site, "recent.csv")]
    assert len(found) == 100
    assert found == sorted(found, reverse=True)


def test_each_unit_has_a_row_for_each_week(site: Site) -> None:
    """The weeks of ISO 8601: the first days of 2021 are in week 53 of 2020."""
    add_observations(site, 3, num_images=4, total_exptime=90.5)
    site.catalog.create(
        "observations",
        "PAN003_14d3bd_20210102T000001",
        {"unit_id": "PAN003", "time": datetime(2021, 1, 2, 0, 0, 1, tzinfo=UTC), "num_images": "?"},
    )
    export_table(site, WEEKLY)
    assert published(site, "stats.csv").splitlines() == [
        "year,week,unit_id,num_images,num_observations,total_minutes_exptime",
        "2018,7,PAN001,2,1,4.004",
        "2018,34,PAN012,1,1,2.002",
        "2020,53,PAN003,12,4,4.525",
    ]


def test_the_published_clients_columns_come_first(site: Site) -> None:
    export_table(site, OBSERVATIONS)
    head = published(site, "observations.csv").partition("\n")[0]
    assert head.startswith(
        "sequence_id,unit_id,camera_id,field_name,coordinates.mount_ra,coordinates.mount_dec,time,"
        "status,num_images,exptime,total_exptime,"
    )


def test_a_reader_always_sees_a_whole_table(site: Site) -> None:
    add_observations(site, 300)
    export_table(site, OBSERVATIONS)
    torn: list[str] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            text = published(site, "observations.csv")
            if text.count("\n") != 303 or not text.endswith("\n"):
                torn.append(text)

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(5):
        assert export_table(site, OBSERVATIONS).replaced
    done.set()
    reader.join()
    assert torn == []


def test_an_export_that_dies_leaves_the_former_table_and_the_next_one_replaces_it(
    site: Site,
) -> None:
    export_table(site, OBSERVATIONS)
    before = published(site, "observations.csv")
    add_observations(site, 700)

    def make() -> Site:
        return site.changed()

    for at in (1, 2, 3):
        assert sites.run_and_die(make, at, work=lambda each: export_table(each, OBSERVATIONS))
        assert published(site, "observations.csv") == before
    assert export_table(site, OBSERVATIONS).rows == 702
    assert len(rows(site, "observations.csv")) == 702


def test_a_slow_export_does_not_cover_what_a_later_one_wrote(site: Site) -> None:
    later = site.changed()
    export_table(site, OBSERVATIONS)

    def tell(call: str) -> None:
        if call == "before catalog.query" and later.catalog.get("units", "PAN003") is None:
            later.catalog.create("units", "PAN003", {"name": "x"})  # once
            add_observations(later, 1)
            export_table(later, OBSERVATIONS)

    slow = sites.watched(site.changed(), tell)
    exported = export_table(slow, OBSERVATIONS)
    assert not exported.replaced
    assert "a newer table was there" in str(exported)
    assert len(rows(site, "observations.csv")) == 3


class Many:
    """A catalogue of so many observations, none of which lies anywhere."""

    def __init__(self, count: int) -> None:
        self.count = count

    def query(self, query: Query) -> Iterator[Stored]:
        assert query.limit is not None
        first = int(query.start_after.key) + 1 if query.start_after else 0
        for number in range(first, min(self.count, first + query.limit)):
            time = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=10 * number)
            fields = {"unit_id": f"PAN{number % 5:03}", "time": time, "num_images": 3}
            yield Stored("observations", f"{number:08}", fields, "1")


@pytest.mark.parametrize("table", [OBSERVATIONS, RECENT, WEEKLY], ids=lambda table: table.name)
def test_memory_does_not_grow_with_the_catalogue(
    table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    peaks: list[int] = []
    for count in (1_000, 4_000):
        site = Site.in_folder(tmp_path)
        monkeypatch.setattr(Site, "catalog", Many(count))
        peaks.append(peak_of(partial(table.write, site, tmp_path / table.name)))
    assert peaks[1] < 2 * peaks[0]


def test_images_are_published_as_parquet_with_the_types_of_their_fields(site: Site) -> None:
    from pyarrow import parquet

    foreign = {"sequence_id": SEQUENCE_ID, "exptime": "1/4000", "iso": 3, "airmass": 2}
    site.catalog.create("images", "PAN099_14d3bd_20210101T000000", foreign)
    assert site.settings.tables is not None
    assert export_table(site, IMAGES).rows == 4
    table = parquet.read_table(Path(site.settings.tables) / "images.parquet")
    kinds = {field.name: str(field.type) for field in table.schema}
    assert kinds["time"] == "timestamp[us, tz=UTC]"
    assert (kinds["exptime"], kinds["size"], kinds["uid"]) == ("double", "int64", "string")
    first, *_, last = table.to_pylist()
    assert first["uid"] == f"{SEQUENCE_ID}_20180216T112430"
    assert first["exptime"] == 120.125
    assert first["time"] == datetime(2018, 2, 16, 11, 24, 30, tzinfo=UTC)
    assert (last["exptime"], last["airmass"]) == (None, 2.0)


def test_where_there_is_no_place_nothing_is_written_and_a_sentence_says_so(site: Site) -> None:
    with pytest.raises(ConfigurationError, match="no place for public tables"):
        export_table(site.changed(tables=None), OBSERVATIONS)


@pytest.mark.parametrize("place", ["incoming/tables", "images"])
def test_tables_are_put_neither_into_incoming_nor_among_the_archive(
    tmp_path: Path, place: str
) -> None:
    site = Site.in_folder(tmp_path, tables=str(tmp_path / place))
    with pytest.raises(ConfigurationError, match=r"share|lies in incoming"):
        site.check()


def test_a_place_for_tables_is_optional_and_checked() -> None:
    assert NetworkSettings.in_folder(Path("x")).tables is None
    assert NetworkSettings.in_folder(Path("x"), tables="").tables is None
    with pytest.raises(ValueError, match="is no bucket"):
        NetworkSettings.in_folder(Path("x"), tables="gs://_")
