"""Tables of the catalogue as files, for those who have no server to ask.

Each is written on this machine row by row and then put where everybody reads it, in place of
the one before: a reader sees the old or the new, whole. The catalogue is read in batches, so
that memory does not grow with it.
"""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import groupby, islice
from pathlib import Path

from panoptes.network.catalog.catalog import Catalog, Stored
from panoptes.network.document_json import (
    IMAGE_COLUMNS,
    OBSERVATION_COLUMNS,
    csv_lines,
    image_row,
    observation_row,
    to_json,
)
from panoptes.network.documents import Image
from panoptes.network.errors import ConfigurationError
from panoptes.network.ingest.watchdog import progressed, progressing
from panoptes.network.object_paths import ObjectPath, public_url
from panoptes.network.search import Wanted, all_observations, every_image, find_observations
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


PYTHON_TYPES = {"number": float, "integer": int, "boolean": bool, "date-time": datetime}
"""What JSON Schema calls types; all else is text in a table."""
PARQUET_ROWS = 10_000
"""Rows of a group, which is held in memory."""


def write_images(site: Site, path: Path) -> int:
    """Write every image, archived or not, as Parquet; gives how many there are.

    The columns are `IMAGE_COLUMNS`, each of its field's type. What another program wrote of
    another type is left out.
    """
    import pyarrow
    from pyarrow import parquet

    kinds = {name: _kind(name) for name in IMAGE_COLUMNS}
    types = {
        "number": pyarrow.float64(),
        "integer": pyarrow.int64(),
        "boolean": pyarrow.bool_(),
        "date-time": pyarrow.timestamp("us", tz="UTC"),
    }
    schema = pyarrow.schema(
        [(name, types.get(kind, pyarrow.string())) for name, kind in kinds.items()]
    )
    images = every_image(site.catalog)
    count = 0
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        while rows := [_image_row(site, each) for each in islice(images, PARQUET_ROWS)]:
            progressed()
            columns = {
                name: [_of(kind, row.get(name)) for row in rows] for name, kind in kinds.items()
            }
            writer.write_table(pyarrow.table(columns, schema=schema))
            count += len(rows)
    return count


def _kind(name: str) -> str:
    """What JSON Schema calls the values of an image's field."""
    field = Image.model_json_schema()["properties"].get(name, {})
    told = field.get("anyOf", [field])[0]
    return str(told.get("format") or told.get("type"))


def _of(kind: str, value: object) -> object:
    """The value as a column of this kind holds it; None for what it cannot hold."""
    if kind not in PYTHON_TYPES:
        return value if value is None or isinstance(value, str) else json.dumps(to_json(value))
    if kind == "number" and type(value) is int:
        return float(value)
    return value if type(value) is PYTHON_TYPES[kind] else None


def _image_row(site: Site, stored: Stored) -> Row:
    path = stored.fields.get("bucket_path")
    url = public_url(site, ObjectPath("images", path)) if isinstance(path, str) else ""
    return image_row(stored, url if "://" in url else None)


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
    Table("images.parquet", write_images),
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
