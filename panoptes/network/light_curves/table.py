"""The measurements of one observation as a Parquet file, and one star's read from it.

A row is one star in one channel of one image. Rows are sorted by star, channel and time, in row
groups of whole stars, so that one star is read with two ranged reads, whatever the file's size.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pyarrow
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

ORDER = 12
"""Of the nested HEALPix cells of the column `healpix`: 51 seconds of arc."""
STARS_A_GROUP = 64
COMBINED = "all"
"""The channel of all colours together."""
MOST_CHANNELS = 4
MOST_ROWS, MOST_ROWS_A_GROUP = 10_000_000, 2_000_000
"""Of a file, and of a row group, which is in memory at once with half a kilobyte a row. What we
write has at most 8 million (`MOST_POINTS` of `processing.process`)."""
MOST_BYTES_A_GROUP = 1 << 29
"""Unpacked."""
PLAUSIBLE: Mapping[str, tuple[float, float]] = {
    "ra": (0, 360),
    "dec": (-90, 90),
    "g": (-30, 60),
    "time": (2_400_000, 2_500_000),  # 1858 to 2132
    "airmass": (0, 1e3),
    **dict.fromkeys(("mag", "mag_epd", "mag_protected"), (-99, 99)),
    "error": (1e-7, 99),
    **dict.fromkeys(("x", "y"), (-1e6, 1e6)),
}
"""What lies beyond is damage, and read as not known: no plot, search or form has to meet it."""

COLUMNS: Mapping[str, str] = {
    "star_id": "Gaia DR3's source_id, or the operator's own id, as text",
    "ra": "degrees, ICRS, at the time of the observation",
    "dec": "degrees, ICRS, at the time of the observation",
    "g": "the catalogue's G magnitude",
    "healpix": "nested cell of order 12",
    "time": "BJD_TDB of the middle of the exposure, days",
    "image_id": "the image",
    "channel": "R, G, B or all",
    "mag": "magnitude, tied to the catalogue's G by the observation's stars",
    "error": "standard error of mag",
    "flag": "0 = good",
    "mag_epd": "mag without what external parameters explain",
    "mag_protected": "mag without trends, in the form that keeps a transit",
    "x": "column of the image, from 0, in the middle of a pixel",
    "y": "row of the image, from 0, in the middle of a pixel",
    "airmass": "sec z as the unit wrote it",
}


class NotTheNetworks(ValueError):
    """A Parquet file that holds no light curves of ours."""


@dataclass(frozen=True, eq=False)
class LightCurveTable:
    """All light curves of an observation. What is not known is NaN."""

    star_id: list[str]
    ra: Floats
    """(stars,) degrees, as `dec`."""
    dec: Floats
    g: Floats
    """(stars,) magnitudes."""
    image_id: list[str]
    airmass: Floats
    """(images,)"""
    time: Floats
    """(images, stars) BJD_TDB in days: light reaches the Sun at other times from other stars."""
    x: Floats
    """(images, stars) pixels, as `y`."""
    y: Floats
    channels: tuple[str, ...]
    mag: Floats
    """(images, stars, channels), as all that follow."""
    error: Floats
    flag: NDArray[np.int32]
    mag_epd: Floats
    mag_protected: Floats
    about: Mapping[str, str] = field(default_factory=dict)
    """What it was made of and by, as text: in the footer of the file."""


def write_table(table: LightCurveTable, file: IO[bytes]) -> int:
    """Write a table; gives how many rows it has."""
    import numpy as np
    import pyarrow
    from pyarrow import parquet

    schema = _schema().with_metadata(dict(table.about))
    order = np.argsort(np.asarray(table.star_id), kind="stable")
    channels = np.argsort(np.asarray(table.channels), kind="stable")
    count = 0
    with parquet.ParquetWriter(file, schema, compression="zstd", write_statistics=True) as writer:
        for first in range(0, len(order), STARS_A_GROUP):
            columns = _columns(table, order[first : first + STARS_A_GROUP], channels)
            writer.write_table(pyarrow.table(columns, schema=schema))
            count += len(columns["time"])
    return count


def _schema() -> pyarrow.Schema:
    import pyarrow

    kinds = {
        "healpix": pyarrow.int64(),
        "flag": pyarrow.int32(),
        **dict.fromkeys(("star_id", "image_id", "channel"), pyarrow.string()),
        **dict.fromkeys(("x", "y", "airmass"), pyarrow.float32()),
    }
    return pyarrow.schema([(name, kinds.get(name, pyarrow.float64())) for name in COLUMNS])


def _columns(
    table: LightCurveTable, stars: NDArray[np.intp], channels: NDArray[np.intp]
) -> dict[str, NDArray[np.generic]]:
    """Rows of some stars, by star, channel and time."""
    import hpgeom
    import numpy as np

    images = np.argsort(table.time.mean(axis=1), kind="stable")
    shape = (len(stars), len(channels), len(images))

    def spread(values: NDArray[np.generic], axis: int) -> NDArray[np.generic]:
        lengthened = [1, 1, 1]
        lengthened[axis] = -1
        return np.broadcast_to(values.reshape(lengthened), shape).reshape(-1)

    def by_image(values: Floats) -> NDArray[np.generic]:
        of_stars = values[np.ix_(images, stars)].T[:, None, :]
        return np.broadcast_to(of_stars, shape).reshape(-1)

    def cube(values: NDArray[np.generic]) -> NDArray[np.generic]:
        return values[np.ix_(images, stars, channels)].transpose(1, 2, 0).reshape(-1)

    ra, dec = table.ra[stars], table.dec[stars]
    cells = hpgeom.angle_to_pixel(2**ORDER, ra % 360.0, dec, nest=True).astype(np.int64)
    return {
        "star_id": spread(np.asarray(table.star_id)[stars], 0),
        "ra": spread(ra, 0),
        "dec": spread(dec, 0),
        "g": spread(table.g[stars], 0),
        "healpix": spread(cells, 0),
        "time": by_image(table.time),
        "image_id": spread(np.asarray(table.image_id)[images], 2),
        "channel": spread(np.asarray(table.channels)[channels], 1),
        "mag": cube(table.mag),
        "error": cube(table.error),
        "flag": cube(table.flag),
        "mag_epd": cube(table.mag_epd),
        "mag_protected": cube(table.mag_protected),
        "x": by_image(table.x).astype(np.float32),
        "y": by_image(table.y).astype(np.float32),
        "airmass": spread(table.airmass[images], 2).astype(np.float32),
    }


@dataclass(frozen=True, eq=False)
class LightCurve:
    """One star in one channel, in the order of time. What is not known is NaN."""

    star_id: str
    ra: float
    """Degrees, as `dec`."""
    dec: float
    g: float
    channel: str
    time: Floats
    """(points,) BJD_TDB in days."""
    image_id: list[str]
    mag: Floats
    error: Floats
    flag: NDArray[np.int32]
    mag_epd: Floats
    mag_protected: Floats
    x: Floats
    y: Floats
    airmass: Floats

    @property
    def median(self) -> float:
        """Of the good magnitudes; NaN where there is none."""
        import numpy as np

        good = (self.flag == 0) & np.isfinite(self.mag)
        return float(np.median(self.mag[good])) if good.any() else math.nan

    def relative_flux(self) -> tuple[Floats, Floats]:
        """Flux over that of the median magnitude, and its standard error."""
        flux = 10.0 ** (-0.4 * (self.mag - self.median))
        return flux, flux * self.error * math.log(10) / 2.5


class LightCurveFile:
    """A Parquet file of light curves, opened for reading.

    `file` is seekable; see `StoredObject` for one in a store. Raises NotTheNetworks.
    """

    def __init__(self, file: IO[bytes] | io.RawIOBase) -> None:
        import pyarrow
        from pyarrow import parquet

        try:
            self._parquet = parquet.ParquetFile(file)
            own, wanted = self._parquet.schema_arrow, _schema()
            names = own.names
        except (pyarrow.ArrowException, OSError, ValueError, MemoryError) as error:
            raise NotTheNetworks(f"this is no Parquet file that can be read: {error}") from error
        if missing := set(COLUMNS) - set(names):
            raise NotTheNetworks(f"it has no column {', '.join(sorted(missing))}")
        if twice := [name for name in COLUMNS if names.count(name) > 1]:
            raise NotTheNetworks(f"it has more than one column {', '.join(twice)}")
        if odd := [name for name in COLUMNS if own.field(name).type != wanted.field(name).type]:
            raise NotTheNetworks(f"its columns {', '.join(odd)} are of another type")
        leaves = self._parquet.metadata.schema
        paths = [leaves.column(at).path for at in range(len(leaves))]
        self._star_column = paths.index("star_id")
        if not 0 <= self.rows <= MOST_ROWS:
            raise NotTheNetworks(f"it has {self.rows:,} rows, more than the network writes")

    @cached_property
    def about(self) -> dict[str, str]:
        """What it was made of and by."""
        found = self._parquet.schema_arrow.metadata or {}
        return {
            key.decode(errors="replace"): value.decode(errors="replace")
            for key, value in found.items()
        }

    @property
    def rows(self) -> int:
        return int(self._parquet.metadata.num_rows)

    def groups(self, columns: Sequence[str]) -> Iterator[pyarrow.Table]:
        """Some columns of whole stars, row group by row group."""
        for group in range(self._parquet.num_row_groups):
            yield self._read([group], columns)

    def _read(
        self, groups: Sequence[int], columns: Sequence[str] = tuple(COLUMNS)
    ) -> pyarrow.Table:
        """Raises NotTheNetworks for what is damaged."""
        import pyarrow

        self._check_size(groups)
        try:
            rows = self._parquet.read_row_groups(list(groups), columns=list(columns))
            rows.validate(full=True)
        except (pyarrow.ArrowException, OSError, MemoryError) as error:
            raise NotTheNetworks(f"it is damaged: {error}") from error
        if empty := [name for name in columns if rows[name].null_count]:
            raise NotTheNetworks(f"its columns {', '.join(empty)} have gaps")
        for name in PLAUSIBLE.keys() & set(columns):
            rows = _plausible(rows, name)
        return rows

    def _check_size(self, groups: Sequence[int]) -> None:
        """Before a group is unpacked: a few bytes may stand for a billion equal rows."""
        about = [self._parquet.metadata.row_group(group) for group in groups]
        rows = sum(each.num_rows for each in about)
        size = sum(
            each.column(at).total_uncompressed_size
            for each in about
            for at in range(each.num_columns)
        )
        if rows > MOST_ROWS_A_GROUP or size > MOST_BYTES_A_GROUP:
            raise NotTheNetworks(f"{rows:,} rows of {size:,} bytes belong together")

    def star(self, star_id: str, channel: str | None = None) -> list[LightCurve]:
        """The light curves of a star, by channel, or of one channel; none where it has none."""
        import pyarrow.compute as pc

        groups = [n for n in range(self._parquet.num_row_groups) if self._may_hold(n, star_id)]
        if not groups:
            return []
        rows = self._read(groups)
        rows = rows.filter(pc.equal(rows["star_id"], star_id))
        names = rows["channel"].unique().to_pylist()
        if len(names) > MOST_CHANNELS:
            raise NotTheNetworks(f"a star has {len(names)} channels")
        wanted = [name for name in names if channel is None or name == channel]
        return [_curve(rows.filter(pc.equal(rows["channel"], name))) for name in wanted]

    def _may_hold(self, group: int, star_id: str) -> bool:
        column = self._parquet.metadata.row_group(group).column(self._star_column)
        statistics = column.statistics
        if statistics is None or not statistics.has_min_max:
            return True
        try:
            return bool(statistics.min <= star_id <= statistics.max)
        except (UnicodeDecodeError, TypeError):  # damaged: the rows themselves tell
            return True


def _plausible(rows: pyarrow.Table, name: str) -> pyarrow.Table:
    """With NaN for what lies beyond `PLAUSIBLE`."""
    import pyarrow
    import pyarrow.compute as pc

    low, high = PLAUSIBLE[name]
    values = rows[name]
    within = pc.and_(pc.greater_equal(values, low), pc.less_equal(values, high))
    if pc.all(within).as_py() is not False:
        return rows
    known = pc.if_else(within, values, pyarrow.scalar(math.nan, values.type))
    return rows.set_column(rows.column_names.index(name), name, known)


def _curve(rows: pyarrow.Table) -> LightCurve:
    def numbers(name: str) -> Floats:
        import numpy as np

        return np.asarray(rows[name].to_numpy(), np.float64)

    def first(name: str) -> str:
        return str(rows[name][0].as_py())

    return LightCurve(
        star_id=first("star_id"),
        ra=float(rows["ra"][0].as_py()),
        dec=float(rows["dec"][0].as_py()),
        g=float(rows["g"][0].as_py()),
        channel=first("channel"),
        image_id=rows["image_id"].to_pylist(),
        flag=rows["flag"].to_numpy(),
        **{
            name: numbers(name)
            for name in (
                *("time", "mag", "error", "mag_epd", "mag_protected"),
                *("x", "y", "airmass"),
            )
        },
    )


class StoredObject(io.RawIOBase):
    """An object of a store as a file that is read by ranges, each when it is asked for."""

    def __init__(self, read_range: Callable[[int, int], bytes], size: int) -> None:
        self._read_range, self._size, self._position = read_range, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def read(self, size: int = -1, /) -> bytes:
        end = self._size if size < 0 else min(self._position + size, self._size)
        if end <= self._position:
            return b""
        data = self._read_range(self._position, end)
        self._position += len(data)
        return data
