"""Light curves as a Parquet file: rows as documented, and one star read without the rest."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from panoptes.network.light_curves.summaries import summaries
from panoptes.network.light_curves.table import (
    COLUMNS,
    LightCurveFile,
    LightCurveTable,
    NotTheNetworks,
    StoredObject,
    write_table,
)

STARS, IMAGES, CHANNELS = 500, 7, ("R", "G", "B", "all")


def a_table() -> LightCurveTable:
    rng = np.random.default_rng(5)
    cube = (IMAGES, STARS, len(CHANNELS))
    flag = np.zeros(cube, np.int32)
    flag[2, 3, 1] = 4
    protected = rng.normal(9, 0.01, cube)
    protected[0] = np.nan
    return LightCurveTable(
        star_id=[str(4_000_000_000_000 - 977 * n) for n in range(STARS)],
        ra=rng.uniform(0, 360, STARS),
        dec=rng.uniform(-90, 90, STARS),
        g=rng.uniform(7, 12, STARS),
        # Not in the order of time.
        image_id=[f"PAN001_14d3bd_20180216T11{9 - n}430" for n in range(IMAGES)],
        airmass=np.linspace(2, 1, IMAGES),
        time=2458165.9 - np.arange(IMAGES)[:, None] / 700 + rng.uniform(0, 1e-5, STARS),
        x=rng.uniform(0, 5208, (IMAGES, STARS)),
        y=rng.uniform(0, 3476, (IMAGES, STARS)),
        channels=CHANNELS,
        mag=rng.normal(9, 0.01, cube),
        error=rng.uniform(0.001, 0.02, cube),
        flag=flag,
        mag_epd=rng.normal(9, 0.01, cube),
        mag_protected=protected,
        about={"sequence_id": "PAN001_14d3bd_20180216T110623"},
    )


@pytest.fixture(scope="module")
def table() -> LightCurveTable:
    return a_table()


@pytest.fixture(scope="module")
def path(table: LightCurveTable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("table") / "light-curves.parquet"
    with path.open("wb") as file:
        assert write_table(table, file) == STARS * IMAGES * len(CHANNELS)
    return path


def test_every_reader_of_parquet_finds_the_columns_sorted(path: Path) -> None:
    found = parquet.read_table(path)
    assert found.column_names == list(COLUMNS)
    rows = list(zip(*(found[name].to_pylist() for name in ("star_id", "channel")), strict=True))
    assert rows == sorted(rows)
    times = found["time"].to_numpy()[:IMAGES]
    assert (np.diff(times) > 0).all()
    assert str(found.schema.field("star_id").type) == "string"


def test_one_star_is_read_as_it_was_written_and_without_the_rest(
    path: Path, table: LightCurveTable
) -> None:
    data = path.read_bytes()
    asked: list[int] = []

    def ranged(start: int, end: int) -> bytes:
        asked.append(end - start)
        return data[start:end]

    star = 123
    stored = LightCurveFile(StoredObject(ranged, len(data)))
    curves = stored.star(table.star_id[star])
    assert sum(asked) < len(data) / 2
    assert [each.channel for each in curves] == ["B", "G", "R", "all"]
    green = curves[1]
    assert green.mag.tolist() == table.mag[::-1, star, 1].tolist()
    assert green.time.tolist() == table.time[::-1, star].tolist()
    assert green.image_id == table.image_id[::-1]
    assert (green.ra, green.dec, green.g) == (table.ra[star], table.dec[star], table.g[star])
    assert np.isnan(green.mag_protected[-1])
    assert stored.star(table.star_id[3], "G")[0].flag.tolist() == [0, 0, 0, 0, 4, 0, 0]
    assert stored.star("17") == []
    assert stored.about["sequence_id"] == "PAN001_14d3bd_20180216T110623"


def test_every_star_is_told_in_one_line(path: Path, table: LightCurveTable) -> None:
    with path.open("rb") as file:
        told = summaries(LightCurveFile(file), "G")
    assert sorted(each.star_id for each in told) == sorted(table.star_id)
    assert [each.g for each in told] == sorted(table.g.tolist())
    assert max(each.points for each in told) == IMAGES


def test_what_is_no_table_of_ours_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotTheNetworks, match="no Parquet file"):
        LightCurveFile(io.BytesIO(b"SIMPLE  =                    T"))
