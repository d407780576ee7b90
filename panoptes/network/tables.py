"""Tables of the catalogue as files, for those who have no server to ask.

Each is written on this machine row by row and then put where everybody reads it, in place of
the one before: a reader sees the old or the new, whole. The catalogue is read in batches, so
that memory does not grow with it.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import groupby
from pathlib import Path

from panoptes.network.catalog.catalog import Catalog, Stored
from panoptes.network.document_json import OBSERVATION_COLUMNS, csv_lines, observation_row
from panoptes.network.errors import ConfigurationError
from panoptes.network.ingest.watchdog import progressing
from panoptes.network.search import Wanted, all_observations, find_observations
from panoptes.network.site import Site
from panoptes.network.storage.folder import FolderStore
from panoptes.network.storage.store import NotFound, ObjectStore, PreconditionFailed

EXPORTING = "export-tables"
"""The lease of an export: two at once would write the same."""
RECENT = 100
"""Observations in ``recent.csv``."""
WEEKLY_COLUMNS = (
    "year",
    "week",
    "unit_id",
    "num_images",
    "num_observations",
    "total_minutes_exptime",
)

Row = Mapping[str, object]


@dataclass(frozen=True)
class Table:
    """A file of the public folder."""

    name: str
    write: Callable[[Site, Path], int]
    """Writes what the catalogue has now; gives the number of rows."""


def write_csv(
    columns: tuple[str, ...], rows: Callable[[Catalog], Iterable[Row]], site: Site, path: Path
) -> int:
    """Write a table of CSV; gives the number of its rows."""
    count = -1  # the head line is none
    with path.open("w", encoding="utf-8", newline="") as file:
        for line in progressing(csv_lines(columns, rows(site.catalog))):
            file.write(line)
            count += 1
    return count


def _observations(catalog: Catalog) -> Iterator[Row]:
    return map(observation_row, all_observations(catalog, Wanted()))


def _recent(catalog: Catalog) -> Iterator[Row]:
    return map(observation_row, find_observations(catalog, Wanted(), limit=RECENT).documents)


def _weekly(catalog: Catalog) -> Iterator[Row]:
    """What each unit did in each week of ISO 8601, in UTC; the earliest week first."""
    for (year, week), found in groupby(all_observations(catalog, Wanted()), key=_week):
        units: dict[str, _Done] = defaultdict(_Done)
        for stored in found:
            units[str(stored.fields.get("unit_id") or "")].add(observation_row(stored))
        for unit_id, done in sorted(units.items()):
            yield {
                "year": year,
                "week": week,
                "unit_id": unit_id,
                "num_images": done.images,
                "num_observations": done.observations,
                "total_minutes_exptime": round(done.seconds / 60, 3),
            }


def _week(stored: Stored) -> tuple[int, int]:
    time = stored.fields["time"]
    assert isinstance(time, datetime)  # a search gives no others
    return time.isocalendar()[:2]


@dataclass
class _Done:
    """What a unit did; another program's words for numbers add nothing."""

    observations: int = 0
    images: int = 0
    seconds: float = 0.0

    def add(self, row: Row) -> None:
        images, seconds = row.get("num_images"), row.get("total_exptime")
        self.observations += 1
        self.images += images if isinstance(images, int) else 0
        self.seconds += seconds if isinstance(seconds, int | float) else 0.0


TABLES = (
    Table("observations.csv", partial(write_csv, OBSERVATION_COLUMNS, _observations)),
    Table("recent.csv", partial(write_csv, OBSERVATION_COLUMNS, _recent)),
    Table("stats.csv", partial(write_csv, WEEKLY_COLUMNS, _weekly)),
)


@dataclass(frozen=True)
class Exported:
    """A table that was written."""

    name: str
    rows: int
    replaced: bool
    """False where another export was faster: what lies there is newer than what was read here."""

    def __str__(self) -> str:
        left = "" if self.replaced else ", left out: a newer table was there"
        return f"{self.name}: {self.rows:,} rows{left}"


def public_store(site: Site) -> ObjectStore:
    """Where the tables lie. Raises ConfigurationError where the network has no such place."""
    store = site.tables
    if store is None:
        raise ConfigurationError(
            "the network has no place for public tables: set `tables` in its block (or "
            "PANOPTES_TABLES) to a folder or gs://BUCKET/PREFIX"
        )
    store.check()
    return store


def export_table(site: Site, table: Table, store: ObjectStore | None = None) -> Exported:
    """Write a table and put it in the place of the one before, in `store` or the network's.

    Raises ConfigurationError where the network has no place for tables.
    """
    store = store or public_store(site)
    try:
        before = store.stat(table.name).generation
    except NotFound:
        before = 0
    with tempfile.TemporaryDirectory(prefix="panoptes-tables-") as folder:
        drafts = Path(folder) / "drafts"
        drafts.mkdir()
        rows = table.write(site, drafts / table.name)
        try:
            FolderStore(drafts).copy_to(table.name, store, table.name, if_generation=before)
        except PreconditionFailed:
            return Exported(table.name, rows, replaced=False)
    return Exported(table.name, rows, replaced=True)
